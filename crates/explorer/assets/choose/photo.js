// A photo: dropped, pasted or picked, prepared by the server as `classify` does, and adjusted by the reader.

import { choiceSwitch, element, fill } from "../live/elements.js";
import { fromBase64, isSuperseded } from "../server.js";

const SHOWN = 280;
const EDGES = [["left", 0], ["top", 0], ["right", 1], ["bottom", 1]];
const MESSAGE = "Drop, paste or pick a PNG or JPEG file. It is sent to this machine alone.";

/** The part of the page for photos. `choosing()` is told of every photo that is asked for, and returns what takes its pixels. */
export function photoPicker(server, session, choosing) {
  let file = null;
  let adjustment = fresh();
  let asked = 0;
  const picker = element("input", { type: "file", accept: "image/png,image/jpeg", id: "photo-file", onchange: () => take(picker.files[0]) });
  const status = element("p", { class: "photo-status", role: "status" }, MESSAGE);
  const remarks = element("ul", { class: "photo-remarks" });
  const canvas = element("canvas", { width: SHOWN, height: SHOWN, role: "img", "aria-label": "No photo yet" });
  const controls = element("div", { class: "photo-controls" });
  const root = element("div", { class: "photo" },
    element("label", { class: "photo-pick" }, "Photo", picker), status, canvas, controls, remarks);
  let bitmap = null;

  function fresh() {
    return { invert: "auto", turns: 0, left: 0, top: 0, right: 1, bottom: 1 };
  }

  async function take(taken) {
    if (!taken) return;
    if (taken.size > session.limits.photo_bytes) {
      status.textContent = `${taken.name} has ${taken.size} bytes, expected at most ${session.limits.photo_bytes}.`;
      return;
    }
    file = taken;
    adjustment = fresh();
    bitmap = await createImageBitmap(file).catch(() => null);
    build();
    prepare();
  }

  function build() {
    const slider = ([edge]) => {
      const input = element("input", {
        type: "range", min: 0, max: 1, step: 0.01, value: adjustment[edge], name: `crop-${edge}`,
        oninput: () => { adjustment[edge] = Number(input.value); later(); },
      });
      return element("label", {}, `${edge[0].toUpperCase()}${edge.slice(1)} edge`, input);
    };
    const turn = (quarters) => { adjustment.turns = (adjustment.turns + quarters + 4) % 4; prepare(); };
    const inverts = [["auto", "as found"], ["yes", "negative"], ["no", "never negative"]];
    fill(controls,
      choiceSwitch("Light and dark", "invert", inverts, adjustment.invert, (invert) => { adjustment.invert = invert; prepare(); }),
      element("div", { class: "buttons" },
        element("button", { type: "button", onclick: () => turn(-1) }, "Turn left"),
        element("button", { type: "button", onclick: () => turn(1) }, "Turn right"),
        element("button", { type: "button", onclick: () => { adjustment = fresh(); build(); prepare(); } }, "As found")),
      element("fieldset", { class: "crop" }, element("legend", {}, "Crop"), ...EDGES.map(slider)));
  }

  let waiting = null;
  function later() {
    drawPhoto(null);
    clearTimeout(waiting);
    waiting = setTimeout(prepare, 150);
  }

  async function prepare() {
    if (!file) return;
    const number = ++asked;
    const { invert, turns, left, top, right, bottom } = adjustment;
    const name = file.name.replace(/\.[^.]*$/, "").replace(/[^\w.-]/g, "-").slice(0, 60) || "photo";
    const query = new URLSearchParams({ invert, turns, name });
    if (left > 0 || top > 0 || right < 1 || bottom < 1) {
      if (right - left < 0.02 || bottom - top < 0.02) {
        status.textContent = "The crop is empty: its right edge must lie right of its left one, its lower below its upper one.";
        return;
      }
      query.set("crop", [left, top, right - left, bottom - top].join(","));
    }
    status.textContent = `Preparing ${file.name} …`;
    const prepared = choosing();
    try {
      const found = await server.send(`/api/prepare?${query}`, file);
      if (number !== asked) return;
      drawPhoto(found.shown);
      const doubt = found.doubtful ? "It is doubtful that this is the garment. " : "";
      status.textContent = `${doubt}${file.name}, ${found.width}×${found.height}${found.inverted ? ", negated" : ""}. The frame is what the model sees, above at its size.`;
      fill(remarks, ...found.remarks.map((remark) => element("li", {}, remark)));
      prepared(fromBase64(found.pixels), { kind: "photo", index: null, name: found.name ?? name, label: null, adjusted: found.adjusted });
    } catch (error) {
      if (isSuperseded(error) || number !== asked) return;
      status.textContent = `${file.name}: ${error.message}`;
      fill(remarks);
    }
  }

  /** Draws the turned photo, dimmed outside of the crop, with a frame around what is shown to the model. */
  function drawPhoto(shown) {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!bitmap) return;
    const isOnSide = adjustment.turns % 2 === 1;
    const [width, height] = isOnSide ? [bitmap.height, bitmap.width] : [bitmap.width, bitmap.height];
    const scale = SHOWN / Math.max(width, height);
    const [wide, high] = [width * scale, height * scale];
    context.save();
    context.translate(wide / 2, high / 2);
    context.rotate((adjustment.turns * Math.PI) / 2);
    context.drawImage(bitmap, (-bitmap.width * scale) / 2, (-bitmap.height * scale) / 2, bitmap.width * scale, bitmap.height * scale);
    context.restore();
    const { left, top, right, bottom } = adjustment;
    context.fillStyle = "rgb(0 0 0 / 0.55)";
    const outside = new Path2D();
    outside.rect(0, 0, wide, high);
    outside.rect(left * wide, top * high, Math.max(0, right - left) * wide, Math.max(0, bottom - top) * high);
    context.fill(outside, "evenodd");
    if (shown) {
      for (const [style, thickness] of [["#000000", 4], ["#ffffff", 2]]) {
        context.strokeStyle = style;
        context.lineWidth = thickness;
        context.strokeRect(shown.left * wide, shown.top * high, shown.width * wide, shown.height * high);
      }
    }
    canvas.setAttribute("aria-label", `The photo ${file.name}, with a frame around the part that the model sees`);
  }

  return { element: root, take };
}

/** Takes photos that are dropped on the page or pasted into it. */
export function takeDropsAndPastes(page, take) {
  const hasFiles = (event) => Array.from(event.dataTransfer?.types ?? []).includes("Files");
  page.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    page.documentElement.classList.add("drop-here");
  });
  page.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) page.documentElement.classList.remove("drop-here");
  });
  page.addEventListener("drop", (event) => {
    page.documentElement.classList.remove("drop-here");
    if (!hasFiles(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  page.addEventListener("paste", (event) => {
    const pasted = Array.from(event.clipboardData?.files ?? []).find((one) => one.type.startsWith("image/"));
    if (pasted) take(pasted);
  });
}
