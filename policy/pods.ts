import { elementsOf, type Fields, fieldsAt, fieldsOf, textOf } from "./fields";
import type { ReviewedResource } from "./rule";

/** Where each kind that holds a pod has its spec. */
const POD_SPEC: Readonly<Record<string, readonly string[]>> = {
  Pod: ["spec"],
  PodTemplate: ["template", "spec"],
  Job: ["spec", "template", "spec"],
  CronJob: ["spec", "jobTemplate", "spec", "template", "spec"],
  Deployment: ["spec", "template", "spec"],
  DaemonSet: ["spec", "template", "spec"],
  ReplicaSet: ["spec", "template", "spec"],
  ReplicationController: ["spec", "template", "spec"],
  StatefulSet: ["spec", "template", "spec"],
};

/** A pod that the resource is or makes. */
export interface ReviewedPod {
  readonly kind: string;
  /** The pod's spec. */
  readonly spec: Fields;
  readonly containers: readonly ReviewedContainer[];
}

/** A container of it, sidecars and init containers included. */
export interface ReviewedContainer {
  readonly name: string;
  readonly fields: Fields;
}

/** The kind of a Kubernetes object, `Service` for `kubernetes:core/v1:Service`; undefined for every other resource. */
export function kindOf({ type }: ReviewedResource): string | undefined {
  return /^kubernetes:[^:]+:(\w+)$/.exec(type)?.[1];
}

/** The pod of the resource; undefined where it has none. A Patch is no whole pod, and a Helm release hides its own. */
export function podOf(resource: ReviewedResource): ReviewedPod | undefined {
  const kind = kindOf(resource);
  const path = kind === undefined ? undefined : POD_SPEC[kind];
  if (kind === undefined || path === undefined) {
    return undefined;
  }
  const spec = fieldsAt(resource.props, ...path);
  const containers = ["initContainers", "containers"].flatMap((list) =>
    elementsOf(spec[list]).map((element, index) => {
      const fields = fieldsOf(element);
      return { name: textOf(fields["name"]) ?? `${list}[${index}]`, fields };
    }),
  );
  return { kind, spec, containers };
}
