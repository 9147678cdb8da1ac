import type * as k8s from "@pulumi/kubernetes";
import { AGENT_CONTAINER, DIND_CONTAINER, JOB_UUID } from "./contract";
import type { ContainerResources, DindJobTemplateArgs, GitCredentials } from "./dind-job-template-args";
import { IMAGES } from "./images";
import { JOB_TOKEN_ENV, JOB_TOKEN_MOUNT, jobTokenContainer, jobTokenVolumes } from "./job-token-pod";
import { larger } from "./quantity";
import {
  ENGINE_PROBE,
  ENGINE_READY_SECONDS,
  LIFELINE_PATH,
  nativeDindScript,
  SHARED_VOLUME_AGENT_SCRIPT,
  sharedVolumeDindScript,
} from "./sidecar-scripts";

type PodSpec = k8s.types.input.core.v1.PodSpec;
type EnvVar = k8s.types.input.core.v1.EnvVar;
type Volume = k8s.types.input.core.v1.Volume;
type VolumeMount = k8s.types.input.core.v1.VolumeMount;

/** Where checkouts live; the same path in both containers, or `docker run -v $PWD:/x` mounts an empty folder. */
export const BUILDS_PATH = "/buildkite/builds";
/** dockerd's socket has a folder of its own: mounting over /var/run would hide what the image keeps there. */
const SOCKET_PATH = "/run/dind";
const DOCKER_HOST = `unix://${SOCKET_PATH}/docker.sock`;
/** Group `docker` in the official image (docker-library/docker); the agent's image runs as root and needs none. */
const DOCKER_GROUP = 2375;
const GIT_PATH = "/buildkite/git";
const HOOKS_PATH = "/buildkite/hooks";

/** The limits inside the grace period, all derived from that one number. */
export interface GracePeriods {
  /** `terminationGracePeriodSeconds` of the pod. */
  readonly pod: number;
  /** BUILDKITE_CANCEL_GRACE_PERIOD: until a canceled job is killed; the agent itself leaves one second later. */
  readonly cancel: number;
  /** From SIGTERM to SIGKILL for the containers that still run inside dind when the agent has ended. */
  readonly innerStop: number;
}

/** Half of the grace period for the job, at most 8 s; then what runs inside dind, at most 5 s: both fit Spot's 15 s, too. */
export function gracePeriods(pod: number): GracePeriods {
  return { pod, cancel: Math.min(8, Math.floor(pod / 2)), innerStop: Math.min(5, Math.floor(pod / 4)) };
}

/** Variables that the template itself sets; a caller's `env` must leave them alone. */
export const RESERVED_ENV: readonly string[] = [
  "BUILDKITE_AGENT_TOKEN",
  "BUILDKITE_AGENT_ACQUIRE_JOB",
  "BUILDKITE_AGENT_DISCONNECT_AFTER_JOB",
  "BUILDKITE_AGENT_DISCONNECT_AFTER_IDLE_TIMEOUT",
  "BUILDKITE_AGENT_NAME",
  "BUILDKITE_AGENT_TAGS",
  "BUILDKITE_AGENT_QUEUE",
  "BUILDKITE_AGENT_PING_MODE",
  "BUILDKITE_AGENT_SPAWN",
  "BUILDKITE_BUILD_PATH",
  "BUILDKITE_CANCEL_GRACE_PERIOD",
  "BUILDKITE_HOOKS_PATH",
  "BUILDKITE_KUBERNETES_EXEC",
  "DOCKER_HOST",
];

/**
 * The agent + dind pod. Pure: the same arguments give the same pod. Every pod of a template is byte-identical: what
 * differs (the job's id) arrives through an annotation and the downward API.
 */
export function buildPodSpec(args: DindJobTemplateArgs): PodSpec {
  const grace = gracePeriods(args.terminationGracePeriodSeconds ?? 60);
  return {
    restartPolicy: "Never",
    activeDeadlineSeconds: args.timeoutSeconds ?? 14_400,
    terminationGracePeriodSeconds: grace.pod,
    serviceAccountName: args.serviceAccountName ?? "default",
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    nodeSelector: args.nodeSelector,
    tolerations: args.tolerations?.map((toleration) => ({ ...toleration })),
    imagePullSecrets: args.imagePullSecrets?.map((name) => ({ name })),
    ...containersOf(args, grace),
    volumes: volumesOf(args),
  };
}

function containersOf(args: DindJobTemplateArgs, grace: GracePeriods): Pick<PodSpec, "initContainers" | "containers"> {
  const dind = dindContainer(args);
  const agent = agentContainer(args, grace);
  const innerCgroups = args.innerCgroups ?? "engine";
  const { jobAcquisitionTokens } = args;
  const tokens = jobAcquisitionTokens === undefined ? [] : [jobTokenContainer(agent.image, jobAcquisitionTokens)];
  if (isSharedVolume(args)) {
    const lifeline = { name: "lifeline", mountPath: LIFELINE_PATH };
    const script = sharedVolumeDindScript(innerCgroups, grace.innerStop);
    return {
      ...(tokens.length === 0 ? {} : { initContainers: tokens }),
      containers: [
        // First, so that dockerd starts while the agent's image is still being pulled.
        { ...dind, command: shell(script), volumeMounts: [...dind.volumeMounts, { ...lifeline, readOnly: true }] },
        {
          ...agent,
          command: shell(SHARED_VOLUME_AGENT_SCRIPT),
          volumeMounts: [...agent.volumeMounts, lifeline],
        },
      ],
    };
  }
  return {
    // A native sidecar: the kubelet starts it first, waits for the probe, and stops it after the agent, however that ended.
    initContainers: [
      {
        ...dind,
        restartPolicy: "Always",
        command: shell(nativeDindScript(innerCgroups, grace.innerStop)),
        startupProbe: {
          exec: { command: ["/bin/sh", "-c", ENGINE_PROBE] },
          periodSeconds: 1,
          timeoutSeconds: 5,
          failureThreshold: ENGINE_READY_SECONDS / 5,
        },
      },
      // After it: a token that was given out has only the agent to wait for.
      ...tokens,
    ],
    containers: [agent],
  };
}

function isSharedVolume(args: DindJobTemplateArgs): boolean {
  return args.sidecar === "shared-volume";
}

/** The container's own arguments become the script's. */
function shell(script: string): string[] {
  return ["/bin/sh", "-euc", script, "sh"];
}

type Container = Omit<k8s.types.input.core.v1.Container, "volumeMounts" | "image"> & {
  readonly image: string;
  readonly volumeMounts: VolumeMount[];
};

function dindContainer(args: DindJobTemplateArgs): Container {
  return {
    name: DIND_CONTAINER,
    image: args.dindImage ?? IMAGES.dind,
    args: [
      "dockerd",
      `--host=${DOCKER_HOST}`,
      `--group=${DOCKER_GROUP}`,
      ...(args.registryMirrors ?? []).map((mirror) => `--registry-mirror=${mirror}`),
      ...(args.defaultAddressPools ?? []).map(({ base, size }) => `--default-address-pool=base=${base},size=${size}`),
    ],
    env: [{ name: "DOCKER_HOST", value: DOCKER_HOST }],
    securityContext: { privileged: true },
    resources: resourcesOf(args.resources.dind),
    volumeMounts: [
      { name: "docker-graph", mountPath: "/var/lib/docker" },
      { name: "docker-socket", mountPath: SOCKET_PATH },
      ...sharedMounts(args),
    ],
  };
}

function agentContainer(args: DindJobTemplateArgs, grace: GracePeriods): Container {
  return {
    name: AGENT_CONTAINER,
    image: args.agentImage ?? IMAGES.agent,
    // Only args where it can be: the image's entrypoint keeps tini as the first process, which passes signals on.
    args: ["start"],
    env: agentEnv(args, grace),
    // Without it the agent finishes its job after SIGTERM; QUIT cancels it and tells Buildkite within the grace period.
    lifecycle: { preStop: { exec: { command: ["/bin/sh", "-c", "kill -QUIT 1"] } } },
    securityContext: { seccompProfile: { type: "RuntimeDefault" } },
    resources: resourcesOf(args.resources.agent),
    volumeMounts: [
      { name: "docker-socket", mountPath: SOCKET_PATH, readOnly: true },
      ...(args.jobAcquisitionTokens === undefined ? [] : [JOB_TOKEN_MOUNT]),
      ...sharedMounts(args),
      ...(args.gitCredentials === undefined ? [] : [{ name: "git", mountPath: GIT_PATH, readOnly: true }]),
      ...(args.hooksConfigMap === undefined ? [] : [{ name: "hooks", mountPath: HOOKS_PATH, readOnly: true }]),
    ],
  };
}

/** Variables, not flags: an unknown flag is fatal to an agent of another major version, an unknown variable is not. */
function agentEnv(args: DindJobTemplateArgs, grace: GracePeriods): EnvVar[] {
  const tags = Object.entries({ ...args.tags, queue: args.queue }).map(([key, value]) => `${key}=${value}`);
  return [
    ...tokenEnv(args),
    ...modeEnv(args.agentMode ?? "acquire"),
    { name: "BUILDKITE_AGENT_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    { name: "BUILDKITE_AGENT_TAGS", value: tags.sort().join(",") },
    // The streaming mode of agents before 3.137.2 hangs for ever after a refused heartbeat (agent PR 4274).
    { name: "BUILDKITE_AGENT_PING_MODE", value: "poll-only" },
    { name: "BUILDKITE_BUILD_PATH", value: BUILDS_PATH },
    { name: "BUILDKITE_CANCEL_GRACE_PERIOD", value: String(grace.cancel) },
    { name: "DOCKER_HOST", value: DOCKER_HOST },
    ...(args.hooksConfigMap === undefined ? [] : [{ name: "BUILDKITE_HOOKS_PATH", value: HOOKS_PATH }]),
    ...gitEnv(args.gitCredentials),
    ...sorted(args.env).map(([name, value]) => ({ name, value })),
    ...sorted(args.secretEnv).map(([name, { secret, key }]) => ({ name, valueFrom: secretKeyRef(secret, key) })),
  ];
}

/** A token of the pod's own is read from a file; the template's faults make sure that there is one of the two. */
function tokenEnv({ agentToken, jobAcquisitionTokens }: DindJobTemplateArgs): EnvVar[] {
  if (jobAcquisitionTokens !== undefined) {
    return [JOB_TOKEN_ENV];
  }
  return agentToken === undefined
    ? []
    : [{ name: "BUILDKITE_AGENT_TOKEN", valueFrom: secretKeyRef(agentToken.secret, agentToken.key) }];
}

function modeEnv(mode: "acquire" | "queue"): EnvVar[] {
  return mode === "acquire"
    ? [
        {
          name: "BUILDKITE_AGENT_ACQUIRE_JOB",
          valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${JOB_UUID}']` } },
        },
      ]
    : [
        { name: "BUILDKITE_AGENT_DISCONNECT_AFTER_JOB", value: "true" },
        { name: "BUILDKITE_AGENT_DISCONNECT_AFTER_IDLE_TIMEOUT", value: "50" },
      ];
}

/** Set where there are Git credentials. */
export function gitEnv(git: GitCredentials | undefined): EnvVar[] {
  if (git === undefined) {
    return [];
  }
  if (git.type === "https") {
    return [
      { name: "GIT_CONFIG_COUNT", value: "1" },
      { name: "GIT_CONFIG_KEY_0", value: "credential.helper" },
      { name: "GIT_CONFIG_VALUE_0", value: `store --file=${GIT_PATH}/credentials` },
    ];
  }
  const identity = `ssh -i ${GIT_PATH}/identity -o IdentitiesOnly=yes`;
  return git.knownHostsKey === undefined
    ? [{ name: "GIT_SSH_COMMAND", value: identity }]
    : [
        {
          name: "GIT_SSH_COMMAND",
          value: `${identity} -o UserKnownHostsFile=${GIT_PATH}/known_hosts -o StrictHostKeyChecking=yes`,
        },
        // The agent would else add whatever key the network shows it.
        { name: "BUILDKITE_NO_SSH_KEYSCAN", value: "true" },
      ];
}

function volumesOf(args: DindJobTemplateArgs): Volume[] {
  const { agent, dind } = args.resources;
  return [
    // What a container asks for it may use: the kubelet evicts a pod for a volume beyond its limit, whatever was asked for.
    { name: "builds", emptyDir: { sizeLimit: args.buildsSizeLimit ?? larger("20Gi", agent.ephemeralStorage) } },
    // An emptyDir counts against the pod; the image's own VOLUME would be unaccounted disk of the node.
    {
      name: "docker-graph",
      emptyDir: { sizeLimit: args.dockerGraphSizeLimit ?? larger("50Gi", dind.ephemeralStorage) },
    },
    { name: "docker-socket", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
    ...(isSharedVolume(args) ? [{ name: "lifeline", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } }] : []),
    ...(args.jobAcquisitionTokens === undefined ? [] : jobTokenVolumes(args.jobAcquisitionTokens)),
    ...gitVolume(args.gitCredentials),
    ...(args.hooksConfigMap === undefined
      ? []
      : [{ name: "hooks", configMap: { name: args.hooksConfigMap, defaultMode: 0o555 } }]),
    ...(args.volumes ?? []).map(({ volume }) => volume),
  ];
}

function gitVolume(git: GitCredentials | undefined): Volume[] {
  if (git === undefined) {
    return [];
  }
  const items =
    git.type === "https"
      ? [{ key: git.key ?? ".git-credentials", path: "credentials" }]
      : [
          { key: git.key ?? "ssh-privatekey", path: "identity" },
          ...(git.knownHostsKey === undefined ? [] : [{ key: git.knownHostsKey, path: "known_hosts" }]),
        ];
  // ssh refuses a private key that others may read.
  return [{ name: "git", secret: { secretName: git.secret, defaultMode: 0o400, items } }];
}

function sharedMounts(args: DindJobTemplateArgs): VolumeMount[] {
  return [
    { name: "builds", mountPath: BUILDS_PATH },
    ...(args.volumes ?? []).map(({ volume, mountPath, readOnly }) => ({
      name: volume.name,
      mountPath,
      ...(readOnly === true ? { readOnly } : {}),
    })),
  ];
}

function resourcesOf(resources: ContainerResources): k8s.types.input.core.v1.ResourceRequirements {
  const { cpu, memory, ephemeralStorage } = resources;
  const storage: Record<string, string> =
    ephemeralStorage === undefined ? {} : { "ephemeral-storage": ephemeralStorage };
  return { requests: { cpu, memory, ...storage }, limits: { memory } };
}

function secretKeyRef(name: string, key: string): k8s.types.input.core.v1.EnvVarSource {
  return { secretKeyRef: { name, key } };
}

/** In order of names, so that the order in which a caller wrote them never changes the pod. */
function sorted<T>(record: Readonly<Record<string, T>> | undefined): [string, T][] {
  return Object.entries(record ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}
