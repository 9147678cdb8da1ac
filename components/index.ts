/** What others may import: the classes, their arguments, and `stamp`. */
export { AgentNodePool } from "./agent-node-pool";
export type { AgentNodePoolArgs, NodeTaint, PodToleration } from "./agent-node-pool";
export { DindJobTemplate } from "./dind-job-template";
export type {
  AddressPool,
  BuildVolume,
  ContainerResources,
  DindJobTemplateArgs,
  GitCredentials,
  SecretKey,
} from "./dind-job-template-args";
export { jobTokenSourceOf, type JobTokenSource } from "./job-token-source";
export { DispatcherMonitoring } from "./dispatcher-monitoring";
export type { DispatcherMonitoringArgs } from "./dispatcher-monitoring";
export { stamp } from "./stamp";
export type { BuildkiteJob, JobManifest, PodTemplateObject } from "./stamp";
export { WebhookDispatcher } from "./webhook-dispatcher";
export type { BuildkiteAccess, Exposure, ServedQueue, WebhookDispatcherArgs } from "./webhook-dispatcher-args";
