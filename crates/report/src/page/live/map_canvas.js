// Draws one map over an image: colours, a dash in every clearly negative cell, and a line around the largest values of few
// cells, or the outline of the image on a map of many.

import { inkOn, signedColour, unsignedColour } from "./colours.js";

/** Negative cells from this share of the scale on get a dash. */
const DASHED_FROM = 0.15;
/** A pixel brighter than this share of the brightest is inside the outline of an image. */
const OUTLINED_FROM = 0.2;
/** The line encloses this share of the cells, those of the largest absolute values. */
const ENCLOSED = 0.1;

/** The largest absolute value, or 1 where all are zero: the scale on which a map is drawn. */
export function largest(values) {
  let found = 0;
  for (const value of values) if (Number.isFinite(value)) found = Math.max(found, Math.abs(value));
  return found || 1;
}

/** The grey level or colour of a pixel of an image `{pixels, width, height, channels}`, levels 0 to 255. */
function pixelColour(image, index) {
  const size = image.width * image.height;
  if (image.channels === 3) return [0, 1, 2].map((channel) => image.pixels[channel * size + index]);
  const level = image.pixels[index];
  return [level, level, level];
}

/** Fills a canvas with an image, a square a pixel. */
export function drawImage(canvas, image) {
  const small = new ImageData(image.width, image.height);
  for (let index = 0; index < image.width * image.height; index += 1) {
    small.data.set([...pixelColour(image, index), 255], 4 * index);
  }
  enlarge(canvas, small, 1);
}

/**
 * Draws a map `{values, rows, columns, signed, scale}` over an image, if there is one, with the map's share of the colour
 * `opacity` from 0 to 1. A marked cell gets a frame. A map as fine as the image gets its outline instead of a line around
 * the largest values, which would enclose single pixels.
 */
export function drawMap(canvas, map, { image = null, opacity = 1, marked = null, lines = true } = {}) {
  const { rows, columns, signed } = map;
  const scale = map.scale ?? largest(map.values);
  if (image && opacity < 1) drawImage(canvas, image);
  const small = new ImageData(columns, rows);
  for (let index = 0; index < rows * columns; index += 1) {
    small.data.set([...colourOf(map.values[index], scale, signed), 255], 4 * index);
  }
  enlarge(canvas, small, image ? opacity : 1);
  const context = canvas.getContext("2d");
  if (signed) drawDashes(context, map, scale, canvas);
  if (lines && image && rows === image.height) outline(context, image, canvas);
  else if (lines) encloseLargest(context, map, canvas);
  if (marked !== null) frameCell(context, map, marked, canvas);
}

function colourOf(value, scale, signed) {
  if (!Number.isFinite(value)) return [128, 128, 128];
  return signed ? signedColour(value / scale) : unsignedColour(value / scale);
}

function enlarge(canvas, small, alpha) {
  const source = document.createElement("canvas");
  source.width = small.width;
  source.height = small.height;
  source.getContext("2d").putImageData(small, 0, 0);
  const context = canvas.getContext("2d");
  context.save();
  context.imageSmoothingEnabled = false;
  context.globalAlpha = alpha;
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  context.restore();
}

function drawDashes(context, map, scale, { width, height }) {
  const [wide, high] = [width / map.columns, height / map.rows];
  for (let row = 0; row < map.rows; row += 1) {
    for (let column = 0; column < map.columns; column += 1) {
      const position = map.values[row * map.columns + column] / scale;
      if (!(position <= -DASHED_FROM)) continue;
      context.fillStyle = inkOn(signedColour(position));
      const thickness = Math.max(1, Math.round(high / 8));
      context.fillRect(column * wide + wide * 0.25, row * high + (high - thickness) / 2, wide * 0.5, thickness);
    }
  }
}

function encloseLargest(context, map, { width, height }) {
  const size = map.rows * map.columns;
  const ordered = Array.from(map.values, Math.abs).sort((left, right) => right - left);
  const least = ordered[Math.max(0, Math.ceil(size * ENCLOSED) - 1)];
  if (!(least > 0) || least <= ordered[size - 1]) return;
  const inside = (cell) => Math.abs(map.values[cell]) >= least;
  strokeTwice(context, border(map.rows, map.columns, inside, width, height), 1);
}

function outline(context, image, { width, height }) {
  const levels = Array.from({ length: image.width * image.height }, (_, index) => Math.max(...pixelColour(image, index)));
  const least = OUTLINED_FROM * Math.max(...levels);
  if (least === 0) return;
  context.strokeStyle = "#707070";
  context.lineWidth = 1;
  context.stroke(border(image.height, image.width, (cell) => levels[cell] >= least, width, height));
}

/** The border between the cells inside and those outside. */
function border(rows, columns, isInside, width, height) {
  const [wide, high] = [width / columns, height / rows];
  const inside = (row, column) => row >= 0 && column >= 0 && row < rows && column < columns && isInside(row * columns + column);
  const path = new Path2D();
  for (let row = 0; row <= rows; row += 1) {
    for (let column = 0; column <= columns; column += 1) {
      const here = inside(row, column);
      if (here !== inside(row - 1, column)) line(path, column * wide, row * high, (column + 1) * wide, row * high);
      if (here !== inside(row, column - 1)) line(path, column * wide, row * high, column * wide, (row + 1) * high);
    }
  }
  return path;
}

function line(path, fromX, fromY, toX, toY) {
  path.moveTo(fromX, fromY);
  path.lineTo(toX, toY);
}

/** White on black, so that the line is seen on every colour. */
function strokeTwice(context, path, width) {
  for (const [style, thickness] of [["#000000", width + 1.5], ["#ffffff", width]]) {
    context.strokeStyle = style;
    context.lineWidth = thickness;
    context.stroke(path);
  }
}

function frameCell(context, map, cell, { width, height }) {
  const [wide, high] = [width / map.columns, height / map.rows];
  const path = new Path2D();
  path.rect((cell % map.columns) * wide + 1, Math.floor(cell / map.columns) * high + 1, wide - 2, high - 2);
  strokeTwice(context, path, 2);
}
