import { jobName } from "../../components/contract";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { Informer } from "../../dispatcher/kubernetes/informer";

/** When each build's Job came to be, by a watch of the bench's own: the same clock and the same delay for every way. */
export class CreatedJobs {
  /** By Buildkite's job id; `performance.now()`. */
  readonly seenAt = new Map<string, number>();
  private readonly informer: Informer<string>;
  private waiter: { readonly count: number; readonly resolve: () => void } | undefined;

  constructor(client: KubernetesClient, namespace: string) {
    const prefix = jobName("").length;
    this.informer = new Informer({
      client,
      path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
      metadataOnly: true,
      keep: ({ metadata }) => metadata.name.slice(prefix),
      onChange: (change, uuid) => {
        if (change === "added") {
          this.seenAt.set(uuid, performance.now());
          if (this.waiter !== undefined && this.seenAt.size >= this.waiter.count) {
            this.waiter.resolve();
          }
        }
      },
    });
  }

  /** Resolves once what there is was read. */
  async start(signal: AbortSignal): Promise<void> {
    await this.informer.start(signal);
  }

  stop(): void {
    this.informer.stop();
  }

  /** Waits until so many were seen since the start. @throws after `seconds`, with how many there are; the signal's reason. */
  async until(count: number, seconds: number, signal: AbortSignal): Promise<void> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        const tooLong = new Error(`${this.seenAt.size} of ${count} Jobs after ${seconds} s`);
        reject(signal.aborted ? (signal.reason as Error) : tooLong);
      };
      within.addEventListener("abort", onAbort, { once: true });
      this.waiter = {
        count,
        resolve: () => {
          within.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      if (within.aborted) {
        onAbort();
      } else if (this.seenAt.size >= count) {
        this.waiter.resolve();
      }
    });
    this.waiter = undefined;
  }
}
