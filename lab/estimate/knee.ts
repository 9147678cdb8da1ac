/** A choice by what it costs and how long builds wait; less of both is better. */
export interface Choice {
  readonly cost: number;
  readonly wait: number;
}

/**
 * The knee of waiting against cost. Of the choices that no other beats in both, the dearest and the cheapest are joined by
 * a straight line, both axes taken from 0 to 1 between these two; the knee is the choice farthest below that line: before
 * it, money still buys much time, after it, little. Where one choice beats all others it is the knee.
 *
 * @returns its index, or undefined: with two unbeaten choices, or none below the line, there is no knee.
 */
export function kneeOf(choices: readonly Choice[]): number | undefined {
  const front = frontOf(choices);
  const [cheapest, dearest] = [front[0], front.at(-1)];
  if (cheapest === undefined || dearest === undefined) {
    return undefined;
  }
  if (front.length === 1) {
    return cheapest.index;
  }
  let knee: number | undefined;
  let farthest = 1e-9;
  for (const { index, cost, wait } of front.slice(1, -1)) {
    const x = (cost - cheapest.cost) / (dearest.cost - cheapest.cost);
    const y = (wait - dearest.wait) / (cheapest.wait - dearest.wait);
    // The line runs from (0, 1) to (1, 0); the distance from it is this over the root of two.
    const below = 1 - x - y;
    if (below > farthest) {
      farthest = below;
      knee = index;
    }
  }
  return knee;
}

/** The choices that no other beats, from the cheapest to the dearest. */
export function frontOf(choices: readonly Choice[]): (Choice & { readonly index: number })[] {
  const byCost = choices
    .map((choice, index) => ({ ...choice, index }))
    .sort((a, b) => a.cost - b.cost || a.wait - b.wait);
  let best = Infinity;
  return byCost.filter(({ wait }) => {
    const better = wait < best;
    best = Math.min(best, wait);
    return better;
  });
}
