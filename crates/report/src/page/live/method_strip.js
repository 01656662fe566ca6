// Methods side by side: a map each, maps of one unit on one scale, below each map what it means and what it does not.

import { element, fill } from "./elements.js";
import { drawMap, largest } from "./map_canvas.js";
import { scaleBar } from "./scale_bar.js";

const SIZE = 168;

/** The scale of each unit: the largest value of all its maps `{unit, values}`. */
export function sharedScales(maps) {
  const scales = new Map();
  for (const { unit, values } of maps) scales.set(unit, Math.max(scales.get(unit) ?? 0, largest(values)));
  return scales;
}

/** A card of a method, whose place stays the same while its map changes. */
export function methodCard({ name, title, shows, doesNotShow }, hasDiagnostics = true) {
  const canvas = element("canvas", { width: SIZE, height: SIZE, role: "img", "aria-label": `Map of ${title}: not computed yet` });
  const legend = element("div", { class: "card-legend" });
  const status = element("p", { class: "card-status" });
  const remarks = element("ul", { class: "card-remarks" });
  const settings = element("div", { class: "card-settings" });
  const root = element("article", { class: "method-card", "data-method": name },
    element("h3", {}, title), canvas, legend, status,
    element("p", { class: "meaning" }, `Shows ${shows}.`),
    element("p", { class: "meaning not" }, `Does not show ${doesNotShow}.`),
    settings,
    element("details", { class: "card-details", hidden: !hasDiagnostics }, element("summary", {}, "Diagnostics", element("span", { class: "visually-hidden" }, ` of ${title}`)), remarks));
  return {
    element: root, status, settings, canvas,
    /** Draws a map `{values, rows, columns, signed, unit, sentences}` on a scale. */
    show(map, image, scale, opacity) {
      drawMap(canvas, { ...map, scale }, { image, opacity });
      canvas.setAttribute("aria-label", `Map of ${title}. ${(map.sentences ?? []).join(". ")}`);
      fill(legend, scaleBar(scale, map.signed, map.unit));
      fill(remarks, ...(map.sentences ?? []).map((sentence) => element("li", {}, sentence)),
        ...(map.warnings ?? []).map((warning) => element("li", {}, `Warning: ${warning}`)));
    },
  };
}
