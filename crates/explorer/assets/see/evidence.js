// Class evidence: for every class what each token adds to its logit. The values and the bias sum to the logit.

import { element } from "../live/elements.js";
import { drawMap, largest } from "../live/map_canvas.js";
import { scaleBar } from "../live/scale_bar.js";
import { fill } from "../live/elements.js";
import { signedNumber } from "../live/numbers.js";

const SIZE = 98;

/** The maps of all classes on one scale, which follow `look` of the store. A click explains the class. */
export function evidenceMaps(store, session) {
  const cards = session.classes.map((name, index) => {
    const canvas = element("canvas", { width: SIZE, height: SIZE, role: "img", "aria-label": `Evidence for ${name}: not computed yet` });
    const sum = element("span", { class: "evidence-sum" }, "–");
    const button = element("button", { type: "button", "aria-pressed": "false", onclick: () => store.change({ target: index }) }, "Explain", element("span", { class: "visually-hidden" }, ` ${name}`));
    return { canvas, sum, button, root: element("li", {}, element("h3", {}, name), canvas, sum, button) };
  });
  const legend = element("div");
  const words = element("p", { class: "hint" },
    "Shows what each token adds to the logit of a class: tokens and bias sum to the logit, exactly. Does not show what in the image made the token say so: a token sees more than the part of the image that it covers.");
  const root = element("div", {}, words, element("ul", { class: "evidence" }, ...cards.map(({ root: card }) => card)), legend);
  const none = element("p", { class: "hint" }, "This model's logits are no sums over its tokens, so that there is no class evidence.");

  function show({ look, pixels }) {
    if (!look?.evidence) return;
    const { values, biases, scores, grid } = look.evidence;
    const scale = Math.max(...values.map(largest));
    const image = { pixels, ...session.input };
    cards.forEach(({ canvas, sum }, index) => {
      const total = values[index].reduce((before, value) => before + value, 0);
      drawMap(canvas, { values: values[index], rows: grid.rows, columns: grid.columns, signed: true, scale }, { image });
      sum.textContent = `${signedNumber(total)} ${signedNumber(biases[index])} bias = ${signedNumber(scores[index])}`;
      canvas.setAttribute("aria-label", `Evidence for ${session.classes[index]}: the tokens add ${signedNumber(total)}, the bias ${signedNumber(biases[index])}, which gives the logit ${signedNumber(scores[index])}`);
    });
    fill(legend, scaleBar(scale, true, "logits a token, one scale for all classes"));
  }
  const mark = ({ target, prediction }) => cards.forEach(({ root: card, button }, index) => {
    const isExplained = index === (target ?? prediction?.predicted);
    card.classList.toggle("explained", isExplained);
    button.setAttribute("aria-pressed", String(isExplained));
  });
  store.watch(["look"], show);
  store.watch(["target", "prediction"], mark);
  return session.gives.token_evidence ? root : none;
}
