// The canvas: the image that is explained, and the tools to draw on it by pointer or keyboard.

import { choiceSwitch, element, fill } from "../live/elements.js";
import { drawImage } from "../live/map_canvas.js";
import { floodFill, stroke } from "./raster.js";

const SIZE = 280;
const STEPS_BACK = 100;

/** The canvas with its tools. It changes `pixels` and `source` of the store. */
export function drawingCanvas(store, shape) {
  const tool = { kind: "brush", radius: 1.2, level: 255, colour: [255, 255, 255] };
  const cursor = { column: Math.floor(shape.width / 2), row: Math.floor(shape.height / 2), isShown: false };
  const [undone, done] = [[], []];
  let last = null;

  const canvas = element("canvas", { width: SIZE, height: Math.round((SIZE * shape.height) / shape.width), "aria-hidden": "true" });
  const stage = element("div", {
    class: "drawing-stage", id: "drawing", tabindex: "0", role: "application", "aria-roledescription": "drawing canvas",
    "aria-label": "Image: draw with the pointer, or move by arrow keys and paint with the space bar", "aria-describedby": "drawing-help",
  }, canvas);
  const undo = element("button", { type: "button", onclick: () => step(done, undone) }, "Undo");
  const redo = element("button", { type: "button", onclick: () => step(undone, done) }, "Redo");
  const clear = element("button", { type: "button", onclick: () => replace(new Uint8Array(store.state.pixels.length)) }, "Clear");
  const position = element("p", { class: "visually-hidden", "aria-live": "polite" });

  const levels = () => {
    if (tool.kind === "eraser") return [0];
    return shape.channels === 3 ? tool.colour : [tool.level];
  };
  const pointOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * shape.width, y: ((event.clientY - box.top) / box.height) * shape.height };
  };

  function begin() {
    done.push(store.state.pixels);
    if (done.length > STEPS_BACK) done.shift();
    undone.length = 0;
  }

  function publish(pixels) {
    store.change({ pixels, source: { kind: "drawn", index: null, name: "drawing", label: null } });
  }

  function paint(from, to) {
    const pixels = store.state.pixels.slice();
    if (tool.kind === "fill") floodFill(pixels, shape, Math.floor(to.x), Math.floor(to.y), levels());
    else stroke(pixels, shape, from, to, tool.radius, levels());
    publish(pixels);
  }

  function step(from, to) {
    if (from.length === 0) return;
    to.push(store.state.pixels);
    publish(from.pop());
  }

  function replace(pixels) {
    begin();
    publish(pixels);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    last = pointOf(event);
    cursor.isShown = false;
    begin();
    paint(last, last);
  });
  stage.addEventListener("pointermove", (event) => {
    if (last === null || tool.kind === "fill") return;
    const point = pointOf(event);
    paint(last, point);
    last = point;
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => { last = null; });
  stage.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && ["z", "y"].includes(event.key.toLowerCase())) {
      event.preventDefault();
      const isRedo = event.key.toLowerCase() === "y" || event.shiftKey;
      step(...(isRedo ? [undone, done] : [done, undone]));
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const centre = () => ({ x: cursor.column + 0.5, y: cursor.row + 0.5 });
    if (moves[event.key]) {
      event.preventDefault();
      const from = centre();
      cursor.column = Math.min(shape.width - 1, Math.max(0, cursor.column + moves[event.key][0]));
      cursor.row = Math.min(shape.height - 1, Math.max(0, cursor.row + moves[event.key][1]));
      cursor.isShown = true;
      position.textContent = `row ${cursor.row}, column ${cursor.column}`;
      if (event.shiftKey && tool.kind !== "fill") {
        begin();
        paint(from, centre());
      } else draw();
    } else if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      begin();
      paint(centre(), centre());
    }
  });
  stage.addEventListener("focus", () => { cursor.isShown = stage.matches(":focus-visible"); draw(); });
  stage.addEventListener("blur", () => { cursor.isShown = false; draw(); });

  function draw() {
    drawImage(canvas, { pixels: store.state.pixels, ...shape });
    undo.disabled = done.length === 0;
    redo.disabled = undone.length === 0;
    if (!cursor.isShown) return;
    const [wide, high] = [canvas.width / shape.width, canvas.height / shape.height];
    const context = canvas.getContext("2d");
    for (const [style, width] of [["#000000", 4], ["#ffffff", 2]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.strokeRect(cursor.column * wide, cursor.row * high, wide, high);
    }
  }
  store.watch(["pixels"], draw);

  const root = element("div", { class: "drawing" }, stage, position,
    element("p", { class: "visually-hidden", id: "drawing-help" }, "Shift with an arrow key draws a line. Control Z takes back."),
    toolbar(tool, shape), element("div", { class: "buttons" }, undo, redo, clear));
  draw();
  return { element: root, replace: (pixels, source) => { begin(); store.change({ pixels, source }); } };
}

function toolbar(tool, shape) {
  const size = element("input", {
    type: "range", min: 0.4, max: 4, step: 0.2, value: tool.radius, oninput: () => { tool.radius = Number(size.value); },
  });
  const brightness = element("input", {
    type: "range", min: 15, max: 255, step: 10, value: tool.level, oninput: () => { tool.level = Number(brightness.value); },
  });
  const colour = element("input", {
    type: "color", value: "#ffffff",
    oninput: () => { tool.colour = [1, 3, 5].map((start) => parseInt(colour.value.slice(start, start + 2), 16)); },
  });
  const kinds = [["brush", "Brush"], ["eraser", "Eraser"], ["fill", "Fill"]];
  const tools = element("div", { class: "tools" });
  return fill(tools, choiceSwitch("Tool", "tool", kinds, tool.kind, (kind) => { tool.kind = kind; }),
    element("label", {}, "Size", size),
    shape.channels === 3 ? element("label", {}, "Colour", colour) : element("label", {}, "Brightness", brightness));
}
