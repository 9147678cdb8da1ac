/** The fields that are read of a batch/v1 Job. */
export interface Job {
  metadata: ObjectMeta;
  spec?: { activeDeadlineSeconds?: number; template?: { spec?: unknown } };
  status?: { startTime?: string; completionTime?: string; conditions?: Condition[] | null };
}

/** Of a Job or a pod. */
export interface Condition {
  type: string;
  status: string;
  /** A word for machines. */
  reason?: string;
  /** For a person. */
  message?: string;
  lastTransitionTime?: string;
}

/** The fields that are read of any object's metadata. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion?: string;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: { kind: string; name: string; uid: string; controller?: boolean }[] | null;
}

/** Asks for an object's metadata only, as the answer to a request or in a watch. */
export const METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
/** The same for a list. */
export const METADATA_LIST_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/** The fields that are read of a pod. */
export interface Pod {
  metadata: ObjectMeta;
  spec?: { nodeName?: string; terminationGracePeriodSeconds?: number };
  status?: {
    phase?: string;
    /** For example `Evicted`, `DeadlineExceeded`. */
    reason?: string;
    message?: string;
    conditions?: Condition[] | null;
    initContainerStatuses?: ContainerStatus[] | null;
    containerStatuses?: ContainerStatus[] | null;
  };
}

export interface ContainerStatus {
  name: string;
  image?: string;
  /** Whether it runs and its startup probe, if any, has answered. */
  started?: boolean | null;
  state?: ContainerState;
  lastState?: ContainerState;
}

/** One of the three is there. */
export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: { exitCode?: number; reason?: string; startedAt?: string; finishedAt?: string };
}

/** The fields that are read of a core/v1 Event. */
export interface KubernetesEvent {
  metadata: { creationTimestamp?: string };
  /** For example `FailedCreate`. */
  reason?: string;
  message?: string;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  series?: { lastObservedTime?: string } | null;
}

/** An object of which only the metadata is known. */
export interface MetadataOnly {
  metadata: ObjectMeta;
}
