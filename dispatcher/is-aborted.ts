/** A call, because the compiler takes a property that was read before an `await` as unchanged after it. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
