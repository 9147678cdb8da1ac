/**
 * Lets work go on while something else is awaited: should it fail meanwhile, nobody would have taken the failure yet, and
 * Node would end at once, before anything is cleaned up. Whoever awaits the promise still gets the failure.
 */
export function inBackground<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}
