import { setTimeout as delay } from "node:timers/promises";
import { textOf } from "../provider-protocol/property-values";
import type { EngineLog } from "../provider-protocol/engine-log";
import type { Cluster } from "./cluster";
import { annotation, idOf, listAt, stringAt, type KubernetesObject } from "./kubernetes-object";
import { readinessCheck, type Readiness } from "./readiness";

/** Seconds that the provider waits where nothing else is said. */
const DEFAULT_SECONDS = 600;

/** How a wait is reported and ended. */
export interface Wait {
  urn: string;
  /** `customTimeouts` of the resource; 0 when unset. */
  timeoutSeconds: number;
  log: EngineLog;
  signal: AbortSignal;
}

/**
 * Waits until an object does what it was made for.
 *
 * @returns its last state, and what was missing if the time ran out.
 */
export async function waitUntilReady(
  object: KubernetesObject,
  inputs: KubernetesObject,
  cluster: Cluster,
  wait: Wait,
): Promise<{ live: KubernetesObject; reasons: string[] }> {
  const check = annotation(inputs, "pulumi.com/skipAwait") === "true" ? undefined : readinessCheck(object);
  if (check === undefined) {
    return { live: object, reasons: [] };
  }
  const pace = new Pace(timeoutOf(inputs, wait));
  for (let live = object; ;) {
    const readiness = await look(object, cluster, check, wait.signal);
    live = readiness.live ?? live;
    if (readiness.ready) {
      return { live, reasons: [] };
    }
    report(wait, readiness.reasons);
    if (!(await pace.next(wait.signal))) {
      const name = stringAt(object, "metadata", "name") ?? "";
      const end = wait.signal.aborted
        ? `Resource operation was cancelled for '${name}'`
        : `'${name}' timed out waiting to be Ready`;
      return { live, reasons: [end, ...readiness.reasons] };
    }
  }
}

async function look(
  object: KubernetesObject,
  cluster: Cluster,
  check: (live: KubernetesObject, cluster: Cluster) => Readiness | Promise<Readiness>,
  signal: AbortSignal,
): Promise<Readiness & { live?: KubernetesObject }> {
  try {
    const live = await cluster.get(object);
    return live === undefined
      ? { ready: false, reasons: ["it was deleted"] }
      : { live, ...(await check(live, cluster)) };
  } catch (error) {
    // The object exists: whatever stops us here, it must not get lost from the state.
    const reason = error instanceof Error ? error.message : String(error);
    return { ready: false, reasons: signal.aborted ? [] : [reason] };
  }
}

/**
 * Waits until an object is gone, or one of the same name has taken its place.
 *
 * @throws Error saying what still holds it when the time runs out.
 */
export async function waitUntilGone(
  object: KubernetesObject,
  inputs: KubernetesObject,
  cluster: Cluster,
  wait: Wait,
): Promise<void> {
  const pace = new Pace(timeoutOf(inputs, wait));
  for (;;) {
    const live = await cluster.get(object);
    if (live === undefined || stringAt(live, "metadata", "uid") !== stringAt(object, "metadata", "uid")) {
      return;
    }
    const reasons = whatHolds(live);
    report(wait, reasons);
    if (!(await pace.next(wait.signal))) {
      const what = `${stringAt(live, "kind") ?? "object"} ${idOf(live)}`;
      const end = wait.signal.aborted ? "cancelled while waiting for" : "timed out waiting for";
      const message = `${end} the deletion of ${what}: ${reasons.join("; ")}`;
      wait.log.info(wait.urn, message);
      throw new Error(message);
    }
  }
}

/** What keeps a deleted object from going, in Kubernetes' own words where it says so. */
function whatHolds(live: KubernetesObject): string[] {
  const remaining = listAt(live, "status", "conditions")
    .filter(
      (entry) => /Remaining$|Failure$/.test(stringAt(entry, "type") ?? "") && stringAt(entry, "status") === "True",
    )
    .map((entry) => stringAt(entry, "message") ?? "");
  if (remaining.length > 0) {
    return remaining;
  }
  const finalizers = [...listAt(live, "metadata", "finalizers"), ...listAt(live, "spec", "finalizers")];
  return finalizers.length > 0
    ? [`finalizers might be preventing deletion (${finalizers.map(textOf).join(", ")})`]
    : ["its deletion has begun"];
}

function timeoutOf(inputs: KubernetesObject, wait: Wait): number {
  const own = Number(annotation(inputs, "pulumi.com/timeoutSeconds") ?? "0");
  return wait.timeoutSeconds > 0 ? wait.timeoutSeconds : own > 0 ? own : DEFAULT_SECONDS;
}

function report(wait: Wait, reasons: string[]): void {
  const text = reasons.join("; ");
  if (reported.get(wait) !== text) {
    reported.set(wait, text);
    wait.log.status(wait.urn, text);
  }
}

const reported = new WeakMap<Wait, string>();

/** Asks soon at first, then less often, until the time is up. */
class Pace {
  readonly #end: number;
  #ms = 50;

  constructor(seconds: number) {
    this.#end = performance.now() + seconds * 1000;
  }

  /** Resolves when to ask again; to false when there is no time left, or when the wait was cancelled. */
  async next(signal: AbortSignal): Promise<boolean> {
    const left = this.#end - performance.now();
    if (left <= 0 || signal.aborted) {
      return false;
    }
    await delay(Math.min(this.#ms, left), undefined, { signal }).catch(() => undefined);
    this.#ms = Math.min(this.#ms * 1.5, 400);
    return !signal.aborted;
  }
}
