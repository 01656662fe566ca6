// Numbers as people read them.

/** Three significant digits, or a dash for what is no number. */
export function shortNumber(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000 || size < 0.0005) return value.toExponential(1).replace("-", "−");
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toFixed(digits).replace("-", "−");
}

/** As `shortNumber`, with the sign in front of what is above zero, too. */
export function signedNumber(value) {
  return value > 0 ? `+${shortNumber(value)}` : shortNumber(value);
}

/** A share of one as a percentage. */
export function percentage(share) {
  if (!Number.isFinite(share)) return "–";
  const digits = share > 0.9995 || share < 0.0995 ? 2 : 1;
  return `${(100 * share).toFixed(digits)} %`;
}
