/** The fields that are read of a batch/v1 Job. */
export interface Job {
  metadata: ObjectMeta;
  spec?: { activeDeadlineSeconds?: number; template?: { spec?: { activeDeadlineSeconds?: number } } };
  status?: { startTime?: string; completionTime?: string; conditions?: JobCondition[] | null };
}

export interface JobCondition {
  type: string;
  status: string;
  /** For `Failed`, `DeadlineExceeded` among others. */
  reason?: string;
  lastTransitionTime?: string;
}

/** The fields that are read of any object's metadata. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion?: string;
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
    initContainerStatuses?: ContainerStatus[] | null;
    containerStatuses?: ContainerStatus[] | null;
  };
}

export interface ContainerStatus {
  name: string;
  image?: string;
  state?: ContainerState;
  lastState?: ContainerState;
}

/** One of the three is there. */
export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: object;
  terminated?: object;
}

/** An object of which only the metadata is known. */
export interface MetadataOnly {
  metadata: ObjectMeta;
}
