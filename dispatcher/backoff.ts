/**
 * How long to wait before the next try: doubling, at most `longest`, and of that a random half to all, so that those who
 * failed together do not come back together.
 *
 * @param failures in a row so far, from 1.
 */
export function backoff(first: number, longest: number, failures: number): number {
  const full = Math.min(first * 2 ** Math.min(failures - 1, 30), longest);
  return full * (0.5 + Math.random() / 2);
}
