import { stamp, type JobManifest, type PodTemplateObject } from "../../components";
import { ACTIVE_DEADLINE_ANNOTATION, TTL_ANNOTATION } from "../../components/contract";
import type { DindJobTemplateArgs } from "../../components/dind-job-template-args";
import { buildPodSpec } from "../../components/pod-spec";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { FakeJob } from "../../lab/buildkite";

/** Secret of the agent token that {@link buildTemplate}'s pods read. */
export const TOKEN_SECRET = "buildkite-agent-token";

/** A PodTemplate as the component makes it, without Pulumi. */
export function buildTemplate(namespace: string, args: Partial<DindJobTemplateArgs> = {}): PodTemplateObject {
  const spec = buildPodSpec({
    namespace,
    templateName: "linux",
    queue: "linux",
    agentToken: { secret: TOKEN_SECRET, key: "token" },
    resources: { agent: { cpu: "500m", memory: "1Gi" }, dind: { cpu: "500m", memory: "1Gi" } },
    ...args,
  });
  return {
    metadata: {
      name: args.templateName ?? "linux",
      namespace,
      annotations: { [ACTIVE_DEADLINE_ANNOTATION]: "600", [TTL_ANNOTATION]: "60" },
    },
    template: { metadata: {}, spec },
  };
}

/** The Job that the dispatcher would make of it. */
export function jobOf(template: PodTemplateObject, job: FakeJob): JobManifest {
  return stamp(template, { uuid: job.id, queue: job.queue, pipeline: job.pipeline });
}

/** A node that kwok plays, with room for `pods` of {@link buildTemplate}'s pods; taken by nobody without the selector. */
export async function kwokNode(client: KubernetesClient, name: string, pool: string): Promise<void> {
  const resources = { cpu: "32", memory: "128Gi", "ephemeral-storage": "500Gi", pods: "110" };
  await client.request("POST", "/api/v1/nodes", {
    body: {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { pool }, annotations: { "kwok.x-k8s.io/node": "fake" } },
      spec: { taints: [{ key: "pool", value: pool, effect: "NoSchedule" }] },
      status: { allocatable: resources, capacity: resources },
    },
  });
}
