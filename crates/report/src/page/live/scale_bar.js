// The bar below maps: which colour stands for which value.

import { signedColour, unsignedColour } from "./colours.js";
import { element } from "./elements.js";
import { shortNumber } from "./numbers.js";

const STEPS = 20;

/** What the marks on maps mean, which say without colour what the colours say. */
export const MARKS = "Dashes mark what speaks against. A map of pixels has the outline of the image, a map of tokens a line around the tenth that counts most.";

/** The legend of a scale from -largest (or 0) to largest, in a unit. */
export function scaleBar(largestValue, signed, unit) {
  const colours = Array.from({ length: STEPS + 1 }, (_, step) => {
    const [red, green, blue] = signed ? signedColour((2 * step) / STEPS - 1) : unsignedColour(step / STEPS);
    return `rgb(${red} ${green} ${blue})`;
  });
  const bar = element("span", { class: "scale-colours", "aria-hidden": "true" });
  bar.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  const low = signed ? `−${shortNumber(largestValue)}` : "0";
  return element("div", { class: "scale-bar" },
    element("span", {}, low), bar, element("span", {}, signed ? `+${shortNumber(largestValue)}` : shortNumber(largestValue)),
    element("span", { class: "unit" }, unit));
}
