// A region of the image, chosen segment by segment with pointer or keyboard.

import { element } from "../live/elements.js";
import { drawImage } from "../live/map_canvas.js";

const SIZE = 252;

/** The mask of the chosen segments, 1 inside. No element of a page is touched. */
export function maskOf(labels, chosen) {
  return Uint8Array.from(labels, (label) => (chosen.has(label) ? 1 : 0));
}

/** The chooser. `changed(mask)` is told of the chosen region. */
export function regionChooser(changed) {
  const canvas = element("canvas", { width: SIZE, height: SIZE, "aria-hidden": "true" });
  const stage = element("div", {
    class: "region-stage", id: "region", tabindex: "0", role: "application", "aria-roledescription": "segments of the image",
    "aria-label": "Segments: arrow keys go from segment to segment, the space bar takes one in or out", "aria-describedby": "region-words",
  }, canvas);
  const words = element("p", { id: "region-words", class: "hint", role: "status" }, "No segment is chosen yet: click one.");
  const chosen = new Set();
  let [image, labels, count, current] = [null, null, 0, 0];

  const labelAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const part = (value, start, size, cells) => Math.min(cells - 1, Math.max(0, Math.floor(((value - start) / size) * cells)));
    return labels[part(event.clientY, box.top, box.height, image.height) * image.width + part(event.clientX, box.left, box.width, image.width)];
  };
  const toggle = (label) => {
    if (!chosen.delete(label)) chosen.add(label);
    current = label;
    draw();
    changed(maskOf(labels, chosen));
  };
  stage.addEventListener("pointermove", (event) => {
    if (!labels || labelAt(event) === current) return;
    current = labelAt(event);
    draw();
  });
  stage.addEventListener("click", (event) => { if (labels && event.detail > 0) toggle(labelAt(event)); });
  stage.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!labels || event.ctrlKey || event.metaKey || event.altKey) return;
    if (step) {
      event.preventDefault();
      current = (current + step + count) % count;
      draw();
    } else if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      toggle(current);
    }
  });

  function draw() {
    if (!image) return;
    drawImage(canvas, image);
    if (!labels) return;
    const context = canvas.getContext("2d");
    const [wide, high] = [SIZE / image.width, SIZE / image.height];
    const [all, own, active] = [new Path2D(), new Path2D(), new Path2D()];
    for (let row = 0; row < image.height; row += 1) {
      for (let column = 0; column < image.width; column += 1) {
        const label = labels[row * image.width + column];
        if (chosen.has(label)) own.rect(column * wide, row * high, wide, high);
        for (const [right, down] of [[1, 0], [0, 1]]) {
          if (column + right >= image.width || row + down >= image.height) continue;
          const other = labels[(row + down) * image.width + column + right];
          if (other === label) continue;
          for (const path of other === current || label === current ? [all, active] : [all]) {
            path.moveTo((column + right) * wide, (row + down) * high);
            path.lineTo((column + 1) * wide, (row + 1) * high);
          }
        }
      }
    }
    context.fillStyle = "rgb(255 176 0 / 0.45)";
    context.fill(own);
    for (const [path, style, width] of [[all, "rgb(140 140 140 / 0.8)", 1], [active, "#000000", 4], [active, "#ffffff", 2]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.stroke(path);
    }
    const [at, of] = [`segment ${current} of ${count}`, `${chosen.size} chosen`];
    words.textContent = `${at}${chosen.has(current) ? ", chosen" : ""}; ${of}. A click takes one in or out.`;
  }

  return {
    element: element("div", {}, stage, words),
    show(newImage, newLabels, newCount) {
      [image, labels, count, current] = [newImage, newLabels, newCount, 0];
      chosen.clear();
      draw();
      changed(maskOf(labels, chosen));
    },
  };
}
