// The two colour maps, those of the drawn maps: red and blue around white for signed values, viridis for unsigned ones.
// Both keep their order for every kind of colour blindness; marks and contours say the same without colour.

const BLUE_TO_RED = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [255, 255, 255],
  [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
];
const VIRIDIS = [
  [68, 1, 84], [72, 40, 120], [62, 73, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37],
];

function between(colours, position) {
  const place = Math.min(Math.max(position, 0), 1) * (colours.length - 1);
  const below = Math.min(Math.floor(place), colours.length - 2);
  const share = place - below;
  return colours[below].map((value, channel) => Math.round(value + share * (colours[below + 1][channel] - value)));
}

/** The colour `[red, green, blue]` of a signed value at `position` from -1 (blue) over 0 (white) to 1 (red). */
export function signedColour(position) {
  return between(BLUE_TO_RED, (Math.min(Math.max(position, -1), 1) + 1) / 2);
}

/** The colour of an unsigned value at `position` from 0 (dark blue) to 1 (yellow). */
export function unsignedColour(position) {
  return between(VIRIDIS, position);
}

/** Black or white, whichever stands out from a colour. */
export function inkOn([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000000" : "#ffffff";
}
