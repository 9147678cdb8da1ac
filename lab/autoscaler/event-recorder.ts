import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { PodState } from "./pod";

/** Requests under way at once: events are courtesy and must not slow the cluster that is watched. */
const CONCURRENCY = 2;

/** Rule 15: tells a pod's readers what the autoscaler decided, once per pod and reason; best effort. */
export class EventRecorder {
  private readonly told = new Set<string>();
  private readonly line: (() => Promise<void>)[] = [];
  private underWay = 0;

  constructor(
    private readonly client: KubernetesClient,
    private readonly signal: AbortSignal,
  ) {}

  /** Records an event on a pod, unless the same was said of it already. */
  record(pod: PodState, reason: "TriggeredScaleUp" | "NotTriggerScaleUp", message: string): void {
    const key = `${pod.uid}/${reason}`;
    if (this.told.has(key)) {
      return;
    }
    this.told.add(key);
    this.line.push(() => this.post(pod, reason, message));
    this.next();
  }

  private next(): void {
    if (this.underWay >= CONCURRENCY || this.signal.aborted) {
      return;
    }
    const post = this.line.shift();
    if (post === undefined) {
      return;
    }
    this.underWay += 1;
    void post().finally(() => {
      this.underWay -= 1;
      this.next();
    });
  }

  private async post(pod: PodState, reason: string, message: string): Promise<void> {
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const body = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { generateName: `${pod.name}.`, namespace: pod.namespace },
      involvedObject: { apiVersion: "v1", kind: "Pod", namespace: pod.namespace, name: pod.name, uid: pod.uid },
      reason,
      message,
      type: "Normal",
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component: "cluster-autoscaler" },
    };
    try {
      await this.client.request("POST", `/api/v1/namespaces/${pod.namespace}/events`, { body, signal: this.signal });
    } catch {
      // The namespace may be going away; nothing depends on an event.
    }
  }
}
