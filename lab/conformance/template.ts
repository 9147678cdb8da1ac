import {
  ACTIVE_DEADLINE_ANNOTATION,
  MANAGED_BY_LABEL,
  PROJECT,
  SAFE_TO_EVICT_ANNOTATION,
  TEMPLATE_LABEL,
  TTL_ANNOTATION,
} from "../../components/contract";
import type { BuildVolume, DindJobTemplateArgs } from "../../components/dind-job-template-args";
import { buildPodSpec } from "../../components/pod-spec";
import type { PodTemplateObject } from "../../components/stamp";
import type { TemplateChanges } from "./case";
import type { Mode } from "./modes";
import { postPodSpec } from "./post";

/** Where the pods are. */
export const NAMESPACE = "agents";
/** The Secret with the agent token. */
export const TOKEN_SECRET = { secret: "buildkite-agent", key: "token" } as const;

/** What stays the same for every case. */
export interface TemplateSetting {
  readonly agentImage: string;
  readonly dindImage: string;
  /** Buildkite's agent API, as pods reach it. */
  readonly endpoint: string;
  readonly nodeName: string;
}

/** The PodTemplate of one case in one mode, as `pulumi up` would have declared it; the post's pod in its place. */
export function templateOf(
  { agentImage, dindImage, endpoint, nodeName }: TemplateSetting,
  mode: Mode,
  queue: string,
  changes: TemplateChanges,
): PodTemplateObject {
  const { env, ...rest } = changes;
  const args: DindJobTemplateArgs = {
    namespace: NAMESPACE,
    templateName: "conformance",
    queue,
    ...(changes.jobAcquisitionTokens === undefined || mode === "post" ? { agentToken: TOKEN_SECRET } : {}),
    agentImage,
    dindImage,
    // Small requests, so that several fit; the limits are what builds meet.
    resources: { agent: { cpu: "50m", memory: "256Mi" }, dind: { cpu: "50m", memory: "512Mi" } },
    terminationGracePeriodSeconds: 30,
    timeoutSeconds: 300,
    dockerGraphSizeLimit: "10Gi",
    nodeSelector: { "kubernetes.io/hostname": nodeName },
    env: { BUILDKITE_AGENT_ENDPOINT: endpoint, ...env },
    sidecar: mode === "post" ? "native" : mode,
    ...rest,
  };
  return {
    metadata: {
      name: args.templateName,
      namespace: NAMESPACE,
      annotations: {
        [ACTIVE_DEADLINE_ANNOTATION]: String((args.timeoutSeconds ?? 300) + 300),
        [TTL_ANNOTATION]: "600",
      },
    },
    template: {
      metadata: {
        labels: { [MANAGED_BY_LABEL]: PROJECT, [TEMPLATE_LABEL]: args.templateName },
        annotations: { [SAFE_TO_EVICT_ANNOTATION]: "false" },
      },
      spec: mode === "post" ? postPodSpec(args) : buildPodSpec(args),
    },
  };
}

/** Programs named dockerd that stand before the real one in dind's PATH. */
export const DOCKERD_WRAPPERS = {
  slow: '#!/bin/sh\nsleep 20\nexec /usr/local/bin/dockerd "$@"\n',
  hanging: "#!/bin/sh\nexec sleep 3600\n",
} as const;

/** Mounts such a program; the images themselves stay as they are. */
export function dockerdWrapper(kind: keyof typeof DOCKERD_WRAPPERS): BuildVolume {
  return {
    volume: { name: "wrapper", configMap: { name: `dockerd-${kind}`, defaultMode: 0o755 } },
    mountPath: "/usr/local/sbin",
  };
}
