/** A linear scale from values to positions. */
export interface Scale {
  readonly position: (value: number) => number;
  /** Values at which to draw a line, from the least to the most. */
  readonly ticks: readonly number[];
}

/** A scale from 0 to `most`, rounded up to a tick, with about `count` ticks at 1, 2 or 5 times a power of ten. */
export function scaleTo(most: number, from: number, to: number, count: number, whole: boolean): Scale {
  const step = niceStep(Math.max(most, 1e-9) / count, whole);
  const top = Math.max(step, Math.ceil(most / step - 1e-9) * step);
  return {
    position: (value) => from + (value / top) * (to - from),
    ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, index) => round(index * step)),
  };
}

/** A scale of exactly `least` to `most`: for time, where the picture begins and ends with what there is to show. */
export function scaleWithin(least: number, most: number, from: number, to: number, count: number): Scale {
  const step = niceStep((most - least) / count, true);
  const first = Math.ceil(least / step - 1e-9);
  const last = Math.floor(most / step + 1e-9);
  return {
    position: (value) => from + ((value - least) / (most - least)) * (to - from),
    ticks: Array.from({ length: last - first + 1 }, (_, index) => round((first + index) * step)),
  };
}

function niceStep(rough: number, whole: boolean): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((one) => one * power >= rough - 1e-9) ?? 10;
  return whole ? Math.max(1, Math.round(factor * power)) : factor * power;
}

function round(value: number): number {
  return Number(value.toFixed(9));
}
