// What is explained: the logit of a class, or why this class and not that one.

import { drawMap, largest } from "../live/map_canvas.js";
import { element, fill } from "../live/elements.js";
import { scaleBar } from "../live/scale_bar.js";
import { signedNumber } from "../live/numbers.js";
import { isSuperseded } from "../server.js";
import { explainedClass, imageOf, rivalClass } from "../store.js";

const SIZE = 196;
const PAUSE = 150;

/** The two lists from which the explained class and its rival are chosen. */
export function classChoice(store, session) {
  const list = (label, name, none, key) => {
    const box = element("select", { name, onchange: () => store.change({ [key]: box.value === "" ? null : Number(box.value) }) },
      element("option", { value: "" }, none), ...session.classes.map((text, index) => element("option", { value: index }, text)));
    store.watch([key], (state) => { box.value = state[key] ?? ""; });
    return element("label", {}, label, box);
  };
  const words = element("span", { class: "explained-words" });
  const say = (state) => {
    const explained = explainedClass(state);
    const rival = rivalClass(state);
    words.textContent = explained === null ? "" : rival === null
      ? `Explained: the logit of ${session.classes[explained]}.`
      : `Explained: ${session.classes[explained]} less ${session.classes[rival]}.`;
  };
  store.watch(["target", "against", "prediction"], say);
  return element("div", { class: "class-choice" },
    list("Why", "target", "the predicted class", "target"), list("and not", "against", "– (the class alone)", "against"), words);
}

/** The contrast by class evidence, which follows the two lists. */
export function contrastSection(store, session, server) {
  const canvas = element("canvas", { width: SIZE, height: SIZE, role: "img", "aria-label": "No contrast yet" });
  const legend = element("div");
  const words = element("p", { class: "contrast-words", role: "status" }, "Choose a second class under “and not” above.");
  const shown = element("div", { class: "contrast", hidden: true }, canvas, legend);
  let [waiting, number] = [null, 0];

  async function ask() {
    const { state } = store;
    const [target, against] = [explainedClass(state), state.against];
    const asked = ++number;
    if (against === null || target === null) {
      words.textContent = "Choose a second class under “and not” above.";
      shown.hidden = true;
      return;
    }
    if (against === target) {
      words.textContent = `${session.classes[target]} is compared with itself: choose another class under “and not”.`;
      shown.hidden = true;
      return;
    }
    try {
      const found = await server.post("/api/contrast", { image: imageOf(state), target, against });
      if (asked === number) show(found, session.classes[target], session.classes[against]);
    } catch (error) {
      if (!isSuperseded(error)) words.textContent = error.message;
    }
  }

  function show({ difference, evidence }, forClass, otherClass) {
    shown.hidden = !evidence;
    const direction = difference >= 0 ? `speaks for ${forClass}` : `speaks for ${otherClass}`;
    words.textContent = `The logit of ${forClass} less that of ${otherClass} is ${signedNumber(difference)}: the image ${direction}. `
      + (evidence ? `The tokens below and the biases (${signedNumber(evidence.bias)}) sum to it. The methods below explain the same difference.`
        : "The methods below explain this difference.");
    if (!evidence) return;
    const { values, grid } = evidence;
    drawMap(canvas, { values, rows: grid.rows, columns: grid.columns, signed: true }, { image: { pixels: store.state.pixels, ...session.input } });
    canvas.setAttribute("aria-label", `What each token adds to ${forClass} rather than ${otherClass}, together with the biases ${signedNumber(difference)}`);
    fill(legend, scaleBar(largest(values), true, `logits a token: red speaks for ${forClass}, blue and dashes for ${otherClass}`));
  }

  store.watch(["against", "target", "prediction"], () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, PAUSE);
  });
  return element("div", {}, words, shown);
}
