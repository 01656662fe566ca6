// What if: erase, blur, shift or paste a region and see the change of every logit, against what each map predicted for it.

import { choiceSwitch, element, fill } from "../live/elements.js";
import { drawImage } from "../live/map_canvas.js";
import { percentage, shortNumber, signedNumber } from "../live/numbers.js";
import { fromBase64, isSuperseded, toBase64 } from "../server.js";
import { imageOf, requestOf } from "../store.js";
import { regionChooser } from "./region.js";

const SIZE = 252;
const KINDS = [["erase", "Erase"], ["blur", "Blur"], ["shift", "Shift"], ["paste", "Paste"]];
const FILLS = [["black", "black"], ["mean", "the mean of the images"], ["segment-mean", "the region's own mean"]];

/** The section, which follows the image. `keep(pixels)` takes over an edited image. */
export function whatIfSection(store, session, server, keep) {
  const edit = { kind: "erase", fill: "black", sigma: 2, dx: 2, dy: 0, from: 0 };
  let [mask, after, number, waiting] = [null, null, 0, null];
  const region = regionChooser((chosen) => { mask = chosen; later(); });
  const canvas = element("canvas", { width: SIZE, height: SIZE, role: "img", "aria-label": "The edited image: none yet" });
  const [options, status] = [element("div", { class: "edit-options" }), element("p", { role: "status", class: "hint" }, "Choose at least one segment.")];
  const [classes, methods] = [element("tbody"), element("tbody")];
  const keepButton = element("button", { type: "button", disabled: true, onclick: () => keep(after) }, "Go on with the edited image");
  const table = (label, heads, body) => element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    element("table", {}, element("caption", {}, label), element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))), body));
  const tables = element("div", { class: "what-if-tables", hidden: true });
  const changes = table("Change of every logit", ["class", "before", "after", "change"], classes);
  const predictions = table("Which map said so beforehand", ["place", "method", "predicted", "actual", "error", "how"], methods);

  function controls() {
    const number = (title, key, min, max, step) => {
      const input = element("input", { type: "number", min, max, step, value: edit[key], name: `edit-${key}`, onchange: () => { edit[key] = Number(input.value); later(); } });
      return element("label", {}, title, input);
    };
    const fills = element("select", { name: "edit-fill", onchange: () => { edit.fill = fills.value; later(); } },
      ...FILLS.map(([value, text]) => element("option", { value, selected: value === edit.fill }, text)));
    const last = Math.max(0, (session.dataset.images ?? 1) - 1);
    const own = {
      erase: [element("label", {}, "Filled with", fills)],
      blur: [number("Standard deviation, pixels", "sigma", 0.5, 10, 0.5)],
      shift: [number("Columns to the right", "dx", -27, 27, 1), number("Rows down", "dy", -27, 27, 1)],
      paste: [number("From image number", "from", 0, last, 1), number("Columns to the right", "dx", -27, 27, 1), number("Rows down", "dy", -27, 27, 1)],
    };
    fill(options, ...own[edit.kind]);
  }

  function later() {
    clearTimeout(waiting);
    waiting = setTimeout(ask, 120);
  }

  function editOf() {
    const bytes = { kind: edit.kind, mask: toBase64(mask) };
    if (edit.kind === "erase") return { ...bytes, fill: edit.fill };
    if (edit.kind === "blur") return { ...bytes, sigma: edit.sigma };
    if (edit.kind === "shift") return { ...bytes, dx: edit.dx, dy: edit.dy };
    return { ...bytes, from: { index: edit.from }, dx: edit.dx, dy: edit.dy };
  }

  async function ask() {
    const asked = ++number;
    if (!mask || mask.every((inside) => inside === 0)) {
      status.textContent = "Choose at least one segment.";
      tables.classList.add("stale");
      keepButton.disabled = true;
      return;
    }
    try {
      const found = await server.post("/api/what-if", { ...requestOf(store.state), edit: editOf() });
      if (asked === number) show(found);
    } catch (error) {
      if (!isSuperseded(error) && asked === number) status.textContent = error.message;
    }
  }

  function show(found) {
    after = fromBase64(found.pixels);
    keepButton.disabled = false;
    tables.hidden = false;
    tables.classList.remove("stale");
    drawImage(canvas, { pixels: after, ...session.input });
    const probability = (prediction) => (prediction.calibrated ?? prediction.probabilities)[prediction.predicted];
    const name = (prediction) => `${session.classes[prediction.predicted]}, ${percentage(probability(prediction))}`;
    const words = `${name(found.before)} before, ${name(found.after)} after; what is explained changes by ${signedNumber(found.change)}.`;
    status.textContent = words;
    canvas.setAttribute("aria-label", `The edited image: ${words}`);
    const widest = Math.max(...found.changes.map(Math.abs), 1e-9);
    fill(classes, ...session.classes.map((text, index) => element("tr", { class: index === found.target ? "explained" : null },
      element("th", { scope: "row" }, text), element("td", { class: "number" }, shortNumber(found.before.logits[index])),
      element("td", { class: "number" }, shortNumber(found.after.logits[index])),
      element("td", { class: "number" }, changeBar(found.changes[index], widest), signedNumber(found.changes[index])))));
    const titles = new Map(session.methods.map((method) => [method.name, method.title]));
    const order = [...found.predictions].sort((left, right) => (left.place ?? Infinity) - (right.place ?? Infinity));
    fill(methods, ...order.map(({ method, predicted, error, place, basis }) => element("tr", { "data-method": method },
      element("td", { class: "number" }, place ?? "–"), element("th", { scope: "row" }, titles.get(method) ?? method),
      element("td", { class: "number" }, predicted === null ? "–" : signedNumber(predicted)),
      element("td", { class: "number" }, signedNumber(found.change)),
      element("td", { class: "number" }, error === null ? "–" : shortNumber(error)), element("td", {}, basis))));
  }

  const segmentationOf = ({ settings }) =>
    JSON.stringify(Object.entries(settings).filter(([key]) => key.startsWith("segmentation.")).sort());
  let segmented = null;
  async function segment() {
    segmented = segmentationOf(store.state);
    try {
      const { labels, count } = await server.post("/api/segments", { image: imageOf(store.state), settings: store.state.settings });
      region.show({ pixels: store.state.pixels, ...session.input }, labels, count);
    } catch (error) {
      if (!isSuperseded(error)) status.textContent = error.message;
    }
  }

  store.watch(["look"], ({ look }) => { if (look) segment(); });
  store.watch(["settings"], (state) => { if (state.look && segmentationOf(state) !== segmented) segment(); });
  store.watch(["results", "target", "against"], later);
  controls();
  return element("div", { class: "what-if" },
    element("p", { class: "hint" }, "Choose a region, edit it, and compare what happens with what each map said would happen: an honest map says beforehand what erasing does."),
    element("div", { class: "what-if-images" }, region.element, element("div", {}, canvas, element("p", { class: "hint" }, "after the edit"))),
    choiceSwitch("Edit", "edit", KINDS.filter(([kind]) => kind !== "paste" || !["none", "failed"].includes(session.dataset.state)), edit.kind, (kind) => { edit.kind = kind; controls(); later(); }),
    options, status, element("div", { class: "buttons" }, keepButton), fill(tables, changes, predictions));
}

function changeBar(change, widest) {
  const bar = element("span", { class: `change-bar ${change < 0 ? "below" : "above"}`, "aria-hidden": "true" });
  bar.style.width = `${(40 * Math.abs(change)) / widest}px`;
  return bar;
}
