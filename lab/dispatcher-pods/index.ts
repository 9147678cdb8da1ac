export { DispatcherPods, type DispatcherPodsOptions } from "./dispatcher-pods";
export type { DispatcherPod } from "./dispatcher-pod";
