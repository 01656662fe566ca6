// The rows of attention matrices, and what is said of them in words. No element of a page is touched here.

import { shortNumber } from "./numbers.js";

/** Row `token` of a matrix of `count` tokens; minus the mean over all rows if `deviation` is asked for. */
export function rowOf(matrix, token, count, deviation = false) {
  const row = Array.from(matrix.slice(token * count, (token + 1) * count));
  if (!deviation) return row;
  const mean = new Array(count).fill(0);
  let rows = 0;
  for (let query = 0; query < count; query += 1) {
    // rows that are not computed yet hold no numbers
    if (!Number.isFinite(matrix[query * count])) continue;
    rows += 1;
    for (let key = 0; key < count; key += 1) mean[key] += matrix[query * count + key];
  }
  // the mean of some rows is not that of all
  return row.map((value, key) => (rows < count ? NaN : value - mean[key] / rows));
}

/** The matrices that a reader can choose among in a layer: `{key, title, matrix, family}`. */
export function mapsOfLayer(model, layer) {
  const found = [];
  const of = model.layers[layer];
  if (of) {
    found.push({ key: "fused", title: of.heads.length > 1 ? "heads fused" : "attention", matrix: of.fused, family: "attention" });
    if (of.heads.length > 1) {
      of.heads.forEach((matrix, head) => {
        found.push({ key: `head-${head}`, title: `head ${head}`, matrix, family: "attention" });
      });
    }
  }
  for (const { name, title, matrix } of model.through) {
    found.push({ key: name, title, matrix, family: name });
  }
  return found.filter((map) => map.matrix);
}

/** A token by its place, as everywhere in this project counted from 0. */
export function placeOf(token, grid) {
  return `row ${Math.floor(token / grid.columns)}, column ${token % grid.columns}`;
}

/** What a row says, in a sentence: the three largest shares, and the share of the token itself. */
export function sentenceOf(row, token, grid, title) {
  if (!row.some(Number.isFinite)) return `Token at ${placeOf(token, grid)}, ${title}: being computed.`;
  const order = row.map((_, key) => key).sort((left, right) => row[right] - row[left]).slice(0, 3);
  const most = order.map((key) => `${shortNumber(row[key])} from ${placeOf(key, grid)}`).join("; ");
  return `Token at ${placeOf(token, grid)}, ${title}: most is ${most}; `
    + `from itself ${shortNumber(row[token])}. An even share is ${shortNumber(1 / row.length)}.`;
}

/** The token that an arrow key, Home or End leads to, or null for another key. */
export function tokenAfterKey(key, token, grid) {
  const [row, column] = [Math.floor(token / grid.columns), token % grid.columns];
  const at = (newRow, newColumn) => newRow * grid.columns + newColumn;
  switch (key) {
    case "ArrowLeft": return at(row, Math.max(0, column - 1));
    case "ArrowRight": return at(row, Math.min(grid.columns - 1, column + 1));
    case "ArrowUp": return at(Math.max(0, row - 1), column);
    case "ArrowDown": return at(Math.min(grid.rows - 1, row + 1), column);
    case "Home": return 0;
    case "End": return grid.rows * grid.columns - 1;
    default: return null;
  }
}
