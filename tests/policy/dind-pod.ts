import type { ReviewedResource } from "../../policy/rule";
import { resourceOf } from "../support/manifests";

/** A digest as images have it. */
export const DIGEST = `sha256:${"0a".repeat(32)}`;

/** Bounded memory. */
export const RESOURCES = { requests: { memory: "1Gi" }, limits: { memory: "1Gi" } };

/** A good pod of dind alone, with one thing changed. */
export function dindPod(change: Record<string, unknown> = {}, spec: Record<string, unknown> = {}): ReviewedResource {
  const dind = {
    name: "dind",
    image: `docker:29.7.2-dind@${DIGEST}`,
    args: ["dockerd", "--host=unix:///run/dind/docker.sock"],
    resources: RESOURCES,
    ...change,
  };
  return resourceOf({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "build" },
    spec: { activeDeadlineSeconds: 3600, containers: [dind], ...spec },
  });
}
