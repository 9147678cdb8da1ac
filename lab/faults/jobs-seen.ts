import { JOB_UUID } from "../../components/contract";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { Informer } from "../../dispatcher/kubernetes/informer";

interface WatchedJob {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** When each build got its (latest) Kubernetes Job, and which Jobs live, by a watch of its own. */
export class JobsSeen {
  /** Epoch milliseconds by Buildkite's job id: when its latest Job was seen; for most it is the only one. */
  readonly latestAt = new Map<string, number>();
  private readonly uids = new Map<string, string>();
  private readonly informer: Informer<{ id: string; uid: string; isLive: boolean }, WatchedJob>;

  constructor(client: KubernetesClient, namespace: string) {
    this.informer = new Informer({
      client,
      path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
      query: { labelSelector: JOB_UUID },
      keep: (job: WatchedJob) => ({
        id: job.metadata.labels?.[JOB_UUID] ?? "",
        uid: job.metadata.uid,
        isLive: !(job.status?.conditions ?? []).some(
          ({ type, status }) => status === "True" && (type === "Complete" || type === "Failed"),
        ),
      }),
      onChange: (change, { id, uid }) => {
        if (change !== "deleted" && this.uids.get(id) !== uid) {
          this.uids.set(id, uid);
          this.latestAt.set(id, Date.now());
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

  /** Ids of the builds whose Job has not finished. */
  live(): Set<string> {
    return new Set(
      this.informer
        .list()
        .filter(({ isLive }) => isLive)
        .map(({ id }) => id),
    );
  }
}
