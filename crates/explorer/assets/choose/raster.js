// Strokes and fills on an image of levels 0 to 255. No element of a page is touched here.

/**
 * Sets the levels along a line from one point to another, in pixels of the image, with a round brush of this radius whose
 * edge is soft. An eraser sets to 0.
 */
export function stroke(pixels, { width, height, channels }, from, to, radius, levels) {
  const steps = Math.max(1, Math.ceil(4 * Math.hypot(to.x - from.x, to.y - from.y)));
  for (let step = 0; step <= steps; step += 1) {
    const [x, y] = [from.x + ((to.x - from.x) * step) / steps, from.y + ((to.y - from.y) * step) / steps];
    dab(pixels, { width, height, channels }, x, y, radius, levels);
  }
}

function dab(pixels, { width, height, channels }, x, y, radius, levels) {
  const reach = Math.ceil(radius + 1);
  for (let row = Math.max(0, Math.floor(y) - reach); row <= Math.min(height - 1, Math.floor(y) + reach); row += 1) {
    for (let column = Math.max(0, Math.floor(x) - reach); column <= Math.min(width - 1, Math.floor(x) + reach); column += 1) {
      const coverage = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y)));
      if (coverage === 0) continue;
      for (let channel = 0; channel < channels; channel += 1) {
        const index = (channel * height + row) * width + column;
        const wanted = levels[Math.min(channel, levels.length - 1)];
        // a soft edge never undoes what an earlier dab of the same stroke has set
        const mixed = Math.round(pixels[index] + coverage * (wanted - pixels[index]));
        pixels[index] = wanted >= pixels[index] ? Math.max(pixels[index], mixed) : Math.min(pixels[index], mixed);
      }
    }
  }
}

/** Fills the area of similar levels around a pixel: up to `tolerance` levels from that of the pixel. */
export function floodFill(pixels, { width, height, channels }, column, row, levels, tolerance = 24) {
  const size = width * height;
  const start = row * width + column;
  const first = Array.from({ length: channels }, (_, channel) => pixels[channel * size + start]);
  const isSimilar = (index) => first.every((level, channel) => Math.abs(pixels[channel * size + index] - level) <= tolerance);
  const seen = new Uint8Array(size);
  const waiting = [start];
  const found = [];
  seen[start] = 1;
  while (waiting.length > 0) {
    const index = waiting.pop();
    found.push(index);
    const [x, y] = [index % width, Math.floor(index / width)];
    for (const [nextX, nextY] of [[x - 1, y], [x + 1, y], [x, y - 1], [x, y + 1]]) {
      const next = nextY * width + nextX;
      if (nextX < 0 || nextY < 0 || nextX >= width || nextY >= height || seen[next] || !isSimilar(next)) continue;
      seen[next] = 1;
      waiting.push(next);
    }
  }
  for (const index of found) {
    for (let channel = 0; channel < channels; channel += 1) {
      pixels[channel * size + index] = levels[Math.min(channel, levels.length - 1)];
    }
  }
  return found.length;
}
