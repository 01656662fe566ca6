// Which images of the gallery are shown, and in which order. No element of a page is touched here.

/** The orders that a reader can choose. */
export const ORDERS = [
  ["number", "by number"],
  ["least", "least sure first"],
  ["most", "surest first"],
];

/**
 * The numbers of the images that pass every filter, in the order asked for. `images` holds `label`, `predicted` and
 * `confidence` by number; a filter that is null lets everything pass; `correct` is true, false or null.
 */
export function ordered(images, { label = null, predicted = null, correct = null, least = 0, most = 1, order = "number" }) {
  const found = [];
  for (let index = 0; index < images.predicted.length; index += 1) {
    const isCorrect = images.label[index] === images.predicted[index];
    if (label !== null && images.label[index] !== label) continue;
    if (predicted !== null && images.predicted[index] !== predicted) continue;
    if (correct !== null && isCorrect !== correct) continue;
    if (images.confidence[index] < least || images.confidence[index] > most) continue;
    found.push(index);
  }
  const sign = { number: 0, least: 1, most: -1 }[order];
  if (sign) found.sort((left, right) => sign * (images.confidence[left] - images.confidence[right]) || left - right);
  return found;
}
