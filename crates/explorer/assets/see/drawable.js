// From the maps of the server to maps that can be drawn: one number a pixel or a token. No element of a page is touched here.

const SHARE = "share of the attention";

/** The sum over the channels of `[channels, height, width]`. */
export function overChannels(values, { width, height, channels }) {
  if (values.length === width * height) return values;
  return Array.from({ length: width * height }, (_, index) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) sum += values[channel * width * height + index] ?? NaN;
    return sum;
  });
}

function meanRow(matrix, count) {
  const mean = new Array(count).fill(0);
  matrix.forEach((value, index) => { mean[index % count] += value / count; });
  return mean;
}

/** What a result of `explain` shows: `{values, rows, columns, signed, unit, sentences, warnings}`. */
export function drawableOf(result, shape) {
  const { maps, sentences, warnings } = result;
  const words = { sentences, warnings };
  if (maps.kind === "pixels") {
    return {
      values: overChannels(maps.values, shape), rows: shape.height, columns: shape.width, signed: maps.has_sign, unit: maps.unit, ...words,
    };
  }
  const { rows, columns, prefix = 0 } = maps.grid;
  const onGrid = (values, unit) => ({ values: values.slice(values.length - rows * columns), rows, columns, signed: false, unit, ...words });
  if (maps.kind === "rollout" || maps.kind === "flow") return onGrid(maps.pooled, `${SHARE} that the classifying head reads`);
  if (maps.kind === "attention") {
    const last = maps.layers[maps.layers.length - 1];
    return onGrid(meanRow(last.fused, rows * columns + prefix), `${SHARE} in the last layer, mean over the queries`);
  }
  const layer = maps.layers[maps.layers.length - 1];
  return onGrid(layer[0].fused, `${SHARE}, query ${maps.queries[0].reason}`);
}

/** The running or final standard error of a result in words, or nothing. */
export function errorInWords({ maps }) {
  if (maps.kind !== "pixels") return "";
  const errors = maps.segments?.standard_errors ?? maps.standard_error;
  const values = maps.segments?.values ?? maps.values;
  const known = errors?.filter(Number.isFinite) ?? [];
  if (known.length === 0) return "";
  const size = (list) => Math.sqrt(list.reduce((sum, value) => sum + value * value, 0) / list.length);
  const share = size(known) / (size(values.filter(Number.isFinite)) || 1);
  return `, standard error ${(100 * share).toFixed(share < 0.1 ? 1 : 0)} % of the map`;
}
