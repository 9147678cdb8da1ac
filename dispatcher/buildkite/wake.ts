/** Lets a loop sleep until its time or until somebody wakes it, whichever is first. A call while it is awake is kept. */
export class Wake {
  #called = false;
  #wake: (() => void) | undefined;

  call(): void {
    this.#called = true;
    this.#wake?.();
  }

  /** @returns whether it was woken before its time. @throws AbortError. */
  async sleep(milliseconds: number, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (!this.#called) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          this.#wake = undefined;
          resolve();
        };
        const timer = setTimeout(done, milliseconds);
        signal.addEventListener("abort", done, { once: true });
        this.#wake = done;
      });
    }
    signal.throwIfAborted();
    const called = this.#called;
    this.#called = false;
    return called;
  }
}
