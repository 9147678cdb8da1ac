import type { Scale } from "./axis";

/** A logarithmic scale from the power of ten below `least` to the one above `most`, with a tick at each power. */
export function logScale(least: number, most: number, from: number, to: number): Scale {
  const first = Math.floor(Math.log10(least) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(most) - 1e-9));
  return {
    position: (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from),
    ticks: Array.from({ length: last - first + 1 }, (_, index) => Number((10 ** (first + index)).toFixed(9))),
  };
}
