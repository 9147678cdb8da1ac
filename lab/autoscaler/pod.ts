import { add, largest, NO_RESOURCES, resourcesFrom, type Resources } from "./quantity";

/** One entry of a required node affinity. */
export interface NodeRequirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

/** A pod's toleration. */
export interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
}

/** What the model keeps of a pod. */
export interface PodState {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly nodeName: string | undefined;
  /** Succeeded or Failed. */
  readonly terminal: boolean;
  /** PodScheduled=False, reason Unschedulable, and not being deleted. */
  readonly unschedulable: boolean;
  readonly requests: Resources;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Any one of the terms must hold; no term means no requirement. */
  readonly nodeAffinity: readonly (readonly NodeRequirement[])[];
  readonly tolerations: readonly Toleration[];
  readonly priority: number;
  /** Kind of the controlling owner; undefined for a pod that nobody would replace. */
  readonly controller: string | undefined;
  /** A static pod's mirror. */
  readonly mirror: boolean;
  /** Has an emptyDir or hostPath volume. */
  readonly localStorage: boolean;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** When its deletion is due (grace included), epoch milliseconds; undefined when it is not being deleted. */
  readonly deletionDue: number | undefined;
}

interface Container {
  readonly restartPolicy?: string;
  readonly resources?: { readonly requests?: Readonly<Record<string, string>> };
}

/** The parts of a core/v1 Pod that are read. */
export interface PodObject {
  readonly metadata: {
    readonly uid?: string;
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly ownerReferences?: readonly { readonly kind: string; readonly controller?: boolean }[];
    readonly resourceVersion?: string;
  };
  readonly spec?: {
    readonly nodeName?: string;
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly overhead?: Readonly<Record<string, string>>;
    readonly nodeSelector?: Readonly<Record<string, string>>;
    readonly affinity?: {
      readonly nodeAffinity?: {
        readonly requiredDuringSchedulingIgnoredDuringExecution?: {
          readonly nodeSelectorTerms?: readonly { readonly matchExpressions?: readonly NodeRequirement[] }[];
        };
      };
    };
    readonly tolerations?: readonly Toleration[];
    readonly priority?: number;
    readonly volumes?: readonly Readonly<Record<string, unknown>>[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
  };
}

/** Reduces a Pod to what the model needs. */
export function podState(pod: PodObject): PodState {
  const { metadata, spec, status } = pod;
  const annotations = metadata.annotations ?? {};
  const deletion = metadata.deletionTimestamp;
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const waiting = (status?.conditions ?? []).some(
    ({ type, status: value, reason }) => type === "PodScheduled" && value === "False" && reason === "Unschedulable",
  );
  return {
    uid: metadata.uid ?? "",
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    labels: metadata.labels ?? {},
    annotations,
    nodeName: spec?.nodeName,
    terminal: status?.phase === "Succeeded" || status?.phase === "Failed",
    unschedulable: waiting && spec?.nodeName === undefined && deletion === undefined,
    requests: podRequests(pod),
    nodeSelector: spec?.nodeSelector ?? {},
    nodeAffinity: terms.map(({ matchExpressions }) => matchExpressions ?? []),
    tolerations: spec?.tolerations ?? [],
    priority: spec?.priority ?? 0,
    controller: metadata.ownerReferences?.find(({ controller }) => controller === true)?.kind,
    mirror: annotations["kubernetes.io/config.mirror"] !== undefined,
    localStorage: (spec?.volumes ?? []).some((volume) => "emptyDir" in volume || "hostPath" in volume),
    createdAt: Date.parse(metadata.creationTimestamp ?? "") || 0,
    deletionDue: deletion === undefined ? undefined : Date.parse(deletion),
  };
}

/**
 * Rule 3: what the scheduler counts: the sum of main containers and native sidecars (KEP-753: a sidecar is added, not
 * max'ed), or the largest moment of the init phase where that is more, plus the runtime's overhead.
 */
export function podRequests(pod: PodObject): Resources {
  let sidecars = NO_RESOURCES;
  let initPeak = NO_RESOURCES;
  for (const container of pod.spec?.initContainers ?? []) {
    const request = resourcesFrom(container.resources?.requests);
    if (container.restartPolicy === "Always") {
      sidecars = add(sidecars, request);
      initPeak = largest(initPeak, sidecars);
    } else {
      initPeak = largest(initPeak, add(sidecars, request));
    }
  }
  const main = (pod.spec?.containers ?? [])
    .map((container) => resourcesFrom(container.resources?.requests))
    .reduce(add, sidecars);
  return add(largest(main, initPeak), resourcesFrom(pod.spec?.overhead));
}
