export { PoolAutoscaler, type AutoscalerEvent, type PoolAutoscalerOptions } from "./pool-autoscaler";
export { allocatable, describeAllocatable, MACHINE_TYPES, SYSTEM_PODS, type MachineType } from "./machine-types";
export { GKE_POOL_LABEL, readPool, type DeclaredPool, type PoolSpec } from "./pool";
export { PoolDecisions, type ClusterView } from "./pool-decisions";
export { PROFILES, scaled, type AutoscalingProfile, type Timers } from "./timers";
