/** Of a server's hint how long to stay away; a proxy that says a day must not blind us for so long. */
const LONGEST_HINT_MS = 60_000;

/**
 * How many milliseconds to stay away after a list or watch has ended.
 *
 * @param wait of our own, in milliseconds; a random half to all of it is taken, so that replicas do not come together.
 * @param hintSeconds what the server asked for (`Retry-After`), which goes before our own, up to a minute.
 */
export function pauseAfter(wait: number, hintSeconds: number | undefined): number {
  return hintSeconds === undefined ? wait * (0.5 + Math.random() / 2) : Math.min(hintSeconds * 1000, LONGEST_HINT_MS);
}
