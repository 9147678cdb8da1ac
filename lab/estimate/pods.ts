import { SAFE_TO_EVICT_ANNOTATION } from "../../components/contract";
import { estimate } from "../autoscaler/estimate";
import type { NodeState } from "../autoscaler/node";
import type { PodState } from "../autoscaler/pod";
import type { Resources } from "../autoscaler/quantity";

/** A job as the simulation takes it. */
export interface SimulatedJob {
  /** Milliseconds. */
  readonly runnableAt: number;
  readonly durationMs: number;
  /** Of its pod, all containers together. */
  readonly requests: Resources;
}

/** As on every pod that the dispatcher makes: a build is never moved. */
const ANNOTATIONS = { [SAFE_TO_EVICT_ANNOTATION]: "false" };

/** The pod of a job, waiting for a node. */
export function podFor({ requests }: SimulatedJob, index: number, now: number): PodState {
  const name = `build-${index}`;
  return {
    uid: name,
    namespace: "builds",
    name,
    labels: {},
    annotations: ANNOTATIONS,
    nodeName: undefined,
    terminal: false,
    unschedulable: true,
    requests,
    nodeSelector: {},
    nodeAffinity: [],
    tolerations: [],
    priority: 0,
    controller: "Job",
    mirror: false,
    localStorage: true,
    createdAt: now,
    deletionDue: undefined,
  };
}

const known = new WeakMap<Resources, WeakMap<NodeState, number>>();

/** How many such pods an empty node takes. */
export function placesFor(pod: PodState, template: NodeState): number {
  const of = known.get(pod.requests) ?? new WeakMap<NodeState, number>();
  known.set(pod.requests, of);
  const before = of.get(template);
  if (before !== undefined) {
    return before;
  }
  const places = estimate(
    Array.from({ length: template.maxPods }, () => pod),
    template,
    1,
  ).placed.length;
  of.set(template, places);
  return places;
}
