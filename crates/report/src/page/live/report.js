// Makes the images of a report live where scripts run. Without scripts the drawings of the report say the same.

import { element, fill, opacitySlider } from "./elements.js";
import { methodCard, sharedScales } from "./method_strip.js";
import { MARKS } from "./scale_bar.js";
import { tokenView } from "./token_view.js";
import { unpack } from "./unpack.js";

const SHOWN_FIRST = 4;
const NEAR = "600px";

async function enliven(place, number) {
  const model = await unpack(place.dataset.live);
  const parts = [];
  if (model.layers.length > 0 || model.through.length > 0) {
    const view = tokenView(`live-${number}`);
    view.show(model);
    parts.push(element("p", {}, "Hover over a token, or go to it by arrow keys: the maps show what it takes from every other one."), view.element);
  }
  if (model.maps.length > 0) parts.push(methodsOf(model));
  if (model.leftOut.length > 0) {
    parts.push(element("p", { class: "hint" }, `Left out here, to keep the page small: ${model.leftOut.join(", ")}. The file attributions.safetensors has it.`));
  }
  fill(place, ...parts);
}

function methodsOf(model) {
  const chosen = new Set(model.maps.slice(0, SHOWN_FIRST).map((map) => map.name));
  const cards = new Map(model.maps.map((map) => [map.name, methodCard(map, false)]));
  const strip = element("div", { class: "method-strip" });
  let opacity = 1;
  const draw = () => {
    const shown = model.maps.filter((map) => chosen.has(map.name));
    const scales = sharedScales(shown);
    for (const map of shown) cards.get(map.name).show(map, model.image, scales.get(map.unit), opacity);
    fill(strip, ...shown.map((map) => cards.get(map.name).element));
  };
  const boxes = model.maps.map((map) => element("label", {},
    element("input", {
      type: "checkbox", checked: chosen.has(map.name),
      onchange: (event) => {
        if (event.target.checked) chosen.add(map.name);
        else chosen.delete(map.name);
        draw();
      },
    }), map.title));
  draw();
  return element("div", {}, element("p", {}, `Methods side by side: maps of one unit have one scale. ${MARKS}`),
    element("fieldset", { class: "choice-switch" }, element("legend", {}, "Methods"), ...boxes),
    element("div", { class: "switches" }, opacitySlider(opacity, (value) => { opacity = value; draw(); })), strip);
}

const places = document.querySelectorAll("[data-live]");
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    enliven(target, Array.from(places).indexOf(target)).catch((error) => fill(target, `The live view failed: ${error.message}`));
  }
}, { rootMargin: NEAR });
for (const place of places) {
  place.hidden = false;
  seen.observe(place);
}
