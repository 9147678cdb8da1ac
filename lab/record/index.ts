export { buildRecords } from "./build-records";
export { ClusterRecord, type BuildTimes, type NodeNow } from "./cluster-record";
