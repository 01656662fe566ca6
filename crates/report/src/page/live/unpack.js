// Reads the numbers of an image that a report holds, as packed.rs writes them.

async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The image, its attention and its maps: `{image, grid, layers, through, maps, leftOut}`. */
export async function unpack(text) {
  const bytes = await inflated(text);
  const view = new DataView(bytes.buffer);
  const start = 4 + view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, start)));
  const [channels, height, width] = header.shape;
  const [rows, columns] = header.grid;
  let place = start;
  const take = (count) => bytes.subarray(place, (place += count));
  const scaled = (count, levels, signed) => {
    const largest = view.getFloat32(place, true);
    place += 4;
    return Float32Array.from(take(count), (level) => ((signed && level > 127 ? level - 256 : level) * largest) / levels);
  };
  const matrix = () => {
    const all = new Float32Array((rows * columns) ** 2);
    for (let row = 0; row < rows * columns; row += 1) all.set(scaled(rows * columns, header.levels, false), row * rows * columns);
    return all;
  };
  const pixels = take(channels * height * width);
  const layers = header.layers.map(([count, isFusedGiven]) => {
    const heads = Array.from({ length: count }, matrix);
    return { heads, fused: isFusedGiven ? matrix() : meanOf(heads) };
  });
  const through = header.through.map(([name, title]) => ({ name, title, matrix: matrix() }));
  const maps = header.maps.map((map) => ({
    ...map, rows: height, columns: width, values: scaled(height * width, map.signed ? 127 : 255, map.signed),
  }));
  return { image: { pixels, width, height, channels }, grid: { rows, columns }, layers, through, maps, leftOut: header.leftOut };
}

function meanOf(matrices) {
  return Float32Array.from(matrices[0], (_, index) => matrices.reduce((sum, matrix) => sum + matrix[index], 0) / matrices.length);
}
