import type { Informer, InformerFailure, KubernetesObject } from "./kubernetes/informer";

/** A collection that is kept current by an informer: what is told of each of them alike. */
export abstract class Watched<Kept, Seen extends KubernetesObject> {
  protected abstract readonly informer: Informer<Kept, Seen>;

  /** Whether all of it was read once. */
  get synced(): boolean {
    return this.informer.synced;
  }

  /** When the API server last told us anything of it, in milliseconds since 1970; 0 before the first time. */
  get lastContact(): number {
    return this.informer.lastContact;
  }

  /** Since when it cannot be read, and why; `undefined` while it can. */
  get failure(): InformerFailure | undefined {
    return this.informer.failure;
  }

  /** Begins; resolves once all of it was read for the first time. */
  start(signal: AbortSignal): Promise<void> {
    return this.informer.start(signal);
  }
}
