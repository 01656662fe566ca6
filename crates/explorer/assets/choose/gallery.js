// The gallery: the images of the split behind filters. Only the rows in view exist as elements.

import { element, fill } from "../live/elements.js";
import { percentage } from "../live/numbers.js";
import { ORDERS, ordered } from "./gallery_order.js";

const CELL = 64;
const ROWS_BEYOND = 3;
const AT_ONCE = 1024;
const POLL_MILLISECONDS = 300;

/** The gallery. `chosen(index)` is told which image to explain. */
export function gallery(server, session, chosen) {
  const images = { label: [], predicted: [], confidence: [] };
  const filter = { label: null, predicted: null, correct: null, least: 0, most: 1, order: "number" };
  const pixels = new Map();
  let [shown, current, isFetching] = [[], 0, false];

  const count = element("p", { class: "gallery-count", role: "status" });
  const spacer = element("div", { class: "gallery-rows", role: "presentation" });
  const list = element("div", { class: "gallery-list", tabindex: "0", role: "listbox", "aria-label": "Images of the gallery" }, spacer);
  const root = element("div", { class: "gallery" }, filters(session, filter, () => { refresh(); list.scrollTop = 0; }), count, list);

  const columns = () => Math.max(1, Math.floor(list.clientWidth / CELL));
  list.addEventListener("scroll", () => requestAnimationFrame(draw));
  new ResizeObserver(() => draw()).observe(list);
  list.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(list.clientHeight / CELL)) * columns();
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), PageUp: -page, PageDown: page, Home: -shown.length, End: shown.length };
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (shown[current] !== undefined) chosen(shown[current]);
    } else if (moves[event.key]) {
      event.preventDefault();
      current = Math.min(shown.length - 1, Math.max(0, current + moves[event.key]));
      const top = Math.floor(current / columns()) * CELL;
      if (top < list.scrollTop) list.scrollTop = top;
      if (top + CELL > list.scrollTop + list.clientHeight) list.scrollTop = top + CELL - list.clientHeight;
      draw();
    }
  });

  function refresh() {
    shown = ordered(images, filter);
    current = Math.min(current, Math.max(0, shown.length - 1));
    const total = session.dataset.images ?? images.label.length;
    const ready = images.predicted.length;
    const rest = ready < total ? ", predicting the rest …" : "";
    count.textContent = `${shown.length} of ${total} images${rest}`;
    draw();
  }

  function draw() {
    const wide = columns();
    spacer.style.height = `${Math.ceil(shown.length / wide) * CELL}px`;
    const first = Math.max(0, Math.floor(list.scrollTop / CELL) - ROWS_BEYOND) * wide;
    const end = Math.min(shown.length, (Math.ceil((list.scrollTop + list.clientHeight) / CELL) + ROWS_BEYOND) * wide);
    const places = Array.from({ length: Math.max(0, end - first) }, (_, place) => first + place);
    fill(spacer, ...places.map((place) => cell(place, wide)));
    if (shown.length > 0) list.setAttribute("aria-activedescendant", `gallery-${shown[current]}`);
    else list.removeAttribute("aria-activedescendant");
    fetchMissing(places.map((place) => shown[place]));
  }

  function cell(place, wide) {
    const index = shown[place];
    const canvas = element("canvas", { width: session.input.width, height: session.input.height, "aria-hidden": "true" });
    const isWrong = images.label[index] !== images.predicted[index];
    const label = `Image ${index}: ${session.classes[images.label[index]]}, predicted ${session.classes[images.predicted[index]]}`
      + ` with ${percentage(images.confidence[index])}${isWrong ? ", wrong" : ""}`;
    const made = element("div", {
      class: `gallery-cell${isWrong ? " wrong" : ""}${place === current ? " current" : ""}`, role: "option", id: `gallery-${index}`,
      "aria-selected": String(place === current), "aria-setsize": shown.length, "aria-posinset": place + 1, "aria-label": label, title: label,
      "data-index": index, onclick: () => { current = place; chosen(index); draw(); },
    }, canvas);
    made.style.left = `${(place % wide) * CELL}px`;
    made.style.top = `${Math.floor(place / wide) * CELL}px`;
    paint(canvas, pixels.get(index));
    return made;
  }

  function paint(canvas, levels) {
    if (!levels) return;
    const { width, height, channels } = session.input;
    const data = new ImageData(width, height);
    for (let index = 0; index < width * height; index += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        data.data[4 * index + channel] = levels[(channels === 3 ? channel : 0) * width * height + index];
      }
      data.data[4 * index + 3] = 255;
    }
    canvas.getContext("2d").putImageData(data, 0, 0);
  }

  async function fetchMissing(indices) {
    const missing = indices.filter((index) => !pixels.has(index)).slice(0, AT_ONCE);
    if (isFetching || missing.length === 0) return;
    isFetching = true;
    try {
      const bytes = await server.bytesOf("/api/pixels", { body: { indices: missing } });
      const size = bytes.length / missing.length;
      missing.forEach((index, place) => pixels.set(index, bytes.slice(place * size, (place + 1) * size)));
    } catch (error) {
      count.textContent = `The images could not be read: ${error.message}`;
      return;
    } finally {
      isFetching = false;
    }
    draw();
  }

  /** Reads what is known of the images, again and again until all of them are predicted. */
  async function load() {
    for (;;) {
      const found = await server.get("/api/gallery");
      Object.assign(images, { label: found.labels, predicted: found.predicted, confidence: found.confidence });
      refresh();
      if (found.ready >= found.images) return;
      await new Promise((resolve) => { setTimeout(resolve, POLL_MILLISECONDS); });
    }
  }

  return { element: root, load, showWrong: () => root.querySelector("[name=correct]").focus() };
}

function filters(session, filter, changed) {
  const select = (label, name, options, set) => {
    const box = element("select", { name, onchange: () => { set(box.value); changed(); } },
      ...options.map(([value, text]) => element("option", { value }, text)));
    return element("label", {}, label, box);
  };
  const classes = [["", "any"], ...session.classes.map((name, index) => [index, name])];
  const number = (value) => (value === "" ? null : Number(value));
  const share = (label, key, value) => {
    const box = element("input", {
      type: "number", min: 0, max: 100, step: 1, value, name: key,
      onchange: () => { filter[key] = Math.min(100, Math.max(0, Number(box.value))) / 100; changed(); },
    });
    return element("label", {}, label, box);
  };
  return element("div", { class: "filters" },
    select("Label", "label", classes, (value) => { filter.label = number(value); }),
    select("Predicted", "predicted", classes, (value) => { filter.predicted = number(value); }),
    select("Prediction", "correct", [["", "correct or wrong"], ["true", "correct"], ["false", "wrong"]],
      (value) => { filter.correct = value === "" ? null : value === "true"; }),
    select("Order", "order", ORDERS, (value) => { filter.order = value; }),
    share("Confidence from %", "least", 0), share("to %", "most", 100));
}
