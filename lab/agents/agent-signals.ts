/** The signals that reach a simulated agent's process, each at most once, and a wait that ends early on any of them. */
export class AgentSignals {
  private readonly quitting = new AbortController();
  private readonly terminating = new AbortController();
  private readonly killing = new AbortController();

  /** SIGTERM: finish the job, take no more. */
  terminate(): void {
    this.terminating.abort();
  }

  /** SIGQUIT: cancel the job, finish, disconnect. */
  quit(): void {
    this.quitting.abort();
  }

  /** SIGKILL: nothing more is sent. */
  kill(): void {
    this.killing.abort();
  }

  get terminated(): boolean {
    return this.terminating.signal.aborted;
  }

  get hasQuit(): boolean {
    return this.quitting.signal.aborted;
  }

  get killed(): boolean {
    return this.killing.signal.aborted;
  }

  /** Aborts calls under way when the process dies. */
  get dead(): AbortSignal {
    return this.killing.signal;
  }

  /** Aborts what a shell with a trap does, at SIGTERM or when it is killed. */
  get ended(): AbortSignal {
    return AbortSignal.any([this.terminating.signal, this.killing.signal]);
  }

  /** Waits `ms`, or until SIGQUIT or SIGKILL, or with `alsoTerm` until SIGTERM. */
  async wait(ms: number, alsoTerm: boolean): Promise<void> {
    const signals = [this.quitting.signal, this.killing.signal, ...(alsoTerm ? [this.terminating.signal] : [])];
    if (signals.some(({ aborted }) => aborted)) {
      return;
    }
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        for (const signal of signals) {
          signal.removeEventListener("abort", done);
        }
        resolve();
      };
      const timer = setTimeout(done, ms);
      for (const signal of signals) {
        signal.addEventListener("abort", done);
      }
    });
  }
}
