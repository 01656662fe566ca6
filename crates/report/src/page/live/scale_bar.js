// The bar below maps: which colour stands for which value, and what the marks mean.

import { signedColour, unsignedColour } from "./colours.js";
import { element } from "./elements.js";
import { shortNumber } from "./numbers.js";

const STEPS = 20;

/** The legend of a scale from -largest (or 0) to largest, in a unit. */
export function scaleBar(largestValue, signed, unit) {
  const colours = Array.from({ length: STEPS + 1 }, (_, step) => {
    const [red, green, blue] = signed ? signedColour((2 * step) / STEPS - 1) : unsignedColour(step / STEPS);
    return `rgb(${red} ${green} ${blue})`;
  });
  const bar = element("span", { class: "scale-colours", "aria-hidden": "true" });
  bar.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  const low = signed ? `−${shortNumber(largestValue)}` : "0";
  const marks = signed
    ? "A dash marks what speaks against; the line encloses the tenth of the cells that count most."
    : "The line encloses the tenth of the cells that count most.";
  return element("div", { class: "scale-bar" },
    element("span", {}, low), bar, element("span", {}, signed ? `+${shortNumber(largestValue)}` : shortNumber(largestValue)),
    element("span", { class: "unit" }, `${unit}. ${marks}`));
}
