// The token view: hover over a token, or go to it by arrow keys, and every layer, head, rollout and flow show its row.

import { choiceSwitch, element, fill, opacitySlider } from "./elements.js";
import { drawMap, largest } from "./map_canvas.js";
import { shortNumber } from "./numbers.js";
import { scaleBar } from "./scale_bar.js";
import { mapsOfLayer, placeOf, rowOf, sentenceOf, tokenAfterKey } from "./token_rows.js";

const STAGE = 280;
const SMALL = 84;

/**
 * A token view. `name` is unique on the page; `changed` is told whenever the reader chooses something.
 * `show(model)` takes `{image, grid, layers: [{heads, fused}], through: [{name, title, matrix}]}`.
 */
export function tokenView(name, changed = () => {}) {
  const state = { layer: 0, map: "fused", token: null, opacity: 0.65, deviation: false };
  let model = null;
  const canvas = element("canvas", { width: STAGE, height: STAGE, "aria-hidden": "true" });
  const stage = element("div", {
    class: "token-stage", tabindex: "0", role: "application", "aria-roledescription": "grid of tokens",
    "aria-label": "Tokens of the image: arrow keys go from token to token", "aria-describedby": `${name}-sentence`,
  }, canvas);
  const sentence = element("p", { class: "token-sentence", id: `${name}-sentence`, "aria-live": "polite" });
  const legend = element("div");
  const choices = element("div", { class: "token-maps", role: "radiogroup", "aria-label": "Map shown large" });
  const switches = element("div", { class: "switches" });
  const table = element("table", { class: "token-numbers" });
  const numbers = element("details", { ontoggle: () => draw() },
    element("summary", {}, "All numbers of this row"),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Numbers of the row" }, table));
  const root = element("div", { class: "token-view" }, switches,
    element("div", { class: "token-main" }, element("div", {}, stage, legend), element("div", { class: "token-side" }, choices, sentence, numbers)));

  const choose = (values) => {
    Object.assign(state, values);
    draw();
    changed(state);
  };
  const tokenAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const part = (value, start, size, count) => Math.min(count - 1, Math.max(0, Math.floor(((value - start) / size) * count)));
    const row = part(event.clientY, box.top, box.height, model.grid.rows);
    return row * model.grid.columns + part(event.clientX, box.left, box.width, model.grid.columns);
  };
  const follow = (event) => {
    if (!model) return;
    const token = tokenAt(event);
    if (token !== state.token) choose({ token });
  };
  stage.addEventListener("pointermove", follow);
  stage.addEventListener("pointerdown", follow);
  stage.addEventListener("keydown", (event) => {
    const token = model && tokenAfterKey(event.key, state.token, model.grid);
    if (token === null || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    choose({ token });
  });

  function show(newModel) {
    const form = (of) => of && [of.grid.rows, of.grid.columns, of.layers.map((layer) => layer.heads.length), of.through.map((map) => map.name)].join();
    const isSameForm = form(model) === form(newModel);
    model = newModel;
    const count = model.grid.rows * model.grid.columns;
    if (state.token === null || state.token >= count) state.token = Math.floor(model.grid.rows / 2) * model.grid.columns + Math.floor(model.grid.columns / 2);
    if (!model.layers[state.layer]) state.layer = 0;
    if (!isSameForm) build();
    draw();
  }

  function build() {
    const layers = model.layers.map((_, layer) => [layer, `layer ${layer}`]);
    const deviation = element("input", { type: "checkbox", checked: state.deviation, onchange: () => choose({ deviation: deviation.checked }) });
    fill(switches,
      layers.length > 1 ? choiceSwitch("Layer", `${name}-layer`, layers, state.layer, (layer) => choose({ layer })) : null,
      element("label", {}, deviation, "minus the mean of all rows"),
      opacitySlider(state.opacity, (opacity) => choose({ opacity })));
    fill(choices, ...mapsOfLayer(model, state.layer).map(({ key, title }) => element("label", { class: "token-map" },
      element("input", { type: "radio", name: `${name}-map`, value: key, onchange: () => choose({ map: key }) }),
      element("canvas", { width: SMALL, height: SMALL, "data-map": key, "aria-hidden": "true" }),
      element("span", {}, title))));
  }

  function draw() {
    if (!model) return;
    const count = model.grid.rows * model.grid.columns;
    const maps = mapsOfLayer(model, state.layer);
    const shown = maps.find((map) => map.key === state.map) ?? maps[0];
    if (!shown) return;
    const rows = new Map(maps.map((map) => [map.key, rowOf(map.matrix, state.token, count, state.deviation)]));
    const scaleOf = (family) => Math.max(...maps.filter((map) => map.family === family).map((map) => largest(rows.get(map.key))));
    const drawn = (map) => ({
      values: rows.get(map.key), ...model.grid, signed: state.deviation, scale: scaleOf(map.family),
    });
    for (const map of maps) {
      const small = choices.querySelector(`canvas[data-map="${map.key}"]`);
      if (!small) continue;
      drawMap(small, drawn(map), { marked: state.token, lines: false });
      small.previousElementSibling.checked = map === shown;
    }
    // the small maps of a family compare; the large one is read by its own scale
    const scale = largest(rows.get(shown.key));
    drawMap(canvas, { ...drawn(shown), scale }, { image: model.image, opacity: state.opacity, marked: state.token });
    sentence.textContent = sentenceOf(rows.get(shown.key), state.token, model.grid, titleOf(shown));
    const unit = state.deviation ? "share of the query's attention above or below the mean of all rows" : "share of the query's attention";
    fill(legend, scaleBar(scale, state.deviation, unit));
    if (numbers.open) fillTable(table, rows.get(shown.key), model.grid, `${titleOf(shown)}, token at ${placeOf(state.token, model.grid)}`);
  }

  function titleOf(map) {
    return map.family === "attention" ? `layer ${state.layer}, ${map.title}` : map.title;
  }

  /** Takes over a state that was kept, such as that of a link. */
  function restore(kept) {
    for (const key of Object.keys(state)) if (kept[key] !== undefined) state[key] = kept[key];
    if (model) {
      build();
      draw();
    }
  }

  return { element: root, show, restore, state };
}

function fillTable(table, row, grid, caption) {
  const lines = Array.from({ length: grid.rows }, (_, line) => element("tr", {},
    element("th", { scope: "row" }, `row ${line}`),
    ...Array.from({ length: grid.columns }, (_, column) => element("td", {}, shortNumber(row[line * grid.columns + column])))));
  const heads = Array.from({ length: grid.columns }, (_, column) => element("th", { scope: "col" }, `col. ${column}`));
  fill(table, element("caption", {}, caption), element("thead", {}, element("tr", {}, element("td"), ...heads)), element("tbody", {}, ...lines));
}
