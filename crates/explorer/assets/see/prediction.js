// The prediction: a line for each class, always in the same place, with its calibrated probability and its logit.

import { element } from "../live/elements.js";
import { percentage, shortNumber } from "../live/numbers.js";

/** The table of classes, which follows `prediction` of the store. */
export function predictionTable(store, session) {
  const verdict = element("p", { class: "verdict", id: "verdict", "aria-live": "polite" }, "Draw a garment, choose one from the gallery, or drop a photo.");
  const rows = session.classes.map((name) => {
    const bar = element("span", { class: "bar" });
    const [probability, logit] = [element("td", { class: "number" }, "–"), element("td", { class: "number" }, "–")];
    const row = element("tr", {}, element("th", { scope: "row" }, name),
      element("td", { class: "bar-cell", "aria-hidden": "true" }, bar), probability, logit);
    return { row, bar, probability, logit };
  });
  const calibrated = session.model.temperature ? "probability, calibrated" : "probability, not calibrated";
  const table = element("table", { class: "prediction", id: "prediction" },
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "class"), element("td"),
      element("th", { scope: "col" }, calibrated), element("th", { scope: "col" }, "logit"))),
    element("tbody", {}, ...rows.map(({ row }) => row)));

  store.watch(["prediction"], ({ prediction, source }) => {
    if (!prediction) return;
    const shown = prediction.calibrated ?? prediction.probabilities;
    rows.forEach(({ row, bar, probability, logit }, index) => {
      bar.style.width = `${100 * (shown[index] ?? 0)}%`;
      probability.textContent = percentage(shown[index]);
      logit.textContent = shortNumber(prediction.logits[index]);
      row.classList.toggle("predicted", index === prediction.predicted);
      row.classList.toggle("labelled", index === source.label);
    });
    const label = source.label === null ? "" : source.label === prediction.predicted
      ? " That is correct." : ` That is wrong: the label is ${session.classes[source.label]}.`;
    verdict.textContent = `${session.classes[prediction.predicted]}, ${percentage(shown[prediction.predicted])}.${label}`;
  });
  const words = session.model.temperature
    ? `Logits are divided by the temperature ${shortNumber(session.model.temperature)} before the softmax: of the images of the data set that get 80 %, about 80 % are correct. How far that holds for drawings and photos is not known.`
    : "This model has no temperature: its probabilities may be too sure.";
  return element("div", {}, verdict, element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Probabilities of the classes" }, table), element("p", { class: "hint" }, words));
}
