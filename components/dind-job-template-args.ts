import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { PodToleration } from "./agent-node-pool";
import type { JobTokenSource } from "./job-token-source";

/** Compute resources of one container. Memory is request and limit at once: a build that needs more is refused, not shared. */
export interface ContainerResources {
  /** CPU request, e.g. `500m` or `2`; no limit, so that an idle node's CPU is used. */
  readonly cpu: string;
  /** Memory request and limit, e.g. `4Gi`. */
  readonly memory: string;
  /** Ephemeral storage request, e.g. `20Gi`. Default: none. */
  readonly ephemeralStorage?: string;
}

/** A key of a Secret in the agents' namespace. */
export interface SecretKey {
  /** Name of the Secret. */
  readonly secret: string;
  /** Key inside it. */
  readonly key: string;
}

/** Where git finds its credentials. */
export type GitCredentials =
  | {
      /** A file of git's `store` credential helper: one `https://user:token@host` per line. */
      readonly type: "https";
      readonly secret: string;
      /** Key of the file. Default `.git-credentials`. */
      readonly key?: string;
    }
  | {
      /** An SSH private key, as in a `kubernetes.io/ssh-auth` Secret. */
      readonly type: "ssh";
      readonly secret: string;
      /** Key of the private key. Default `ssh-privatekey`. */
      readonly key?: string;
      /** Key of a known_hosts file. When set, unknown hosts are refused; else the agent trusts a host on first use. */
      readonly knownHostsKey?: string;
    };

/** A further volume, mounted at the same path in agent and dind, so that `docker run -v` finds it too. */
export interface BuildVolume {
  readonly volume: k8s.types.input.core.v1.Volume & { readonly name: string };
  readonly mountPath: string;
  /** Default false. */
  readonly readOnly?: boolean;
}

/** A pool of addresses for user-defined Docker networks (dockerd `--default-address-pool`). */
export interface AddressPool {
  /** IPv4 network, e.g. `10.200.0.0/16`: outside the VPC's own ranges. */
  readonly base: string;
  /** Prefix length of each network taken from it, 8 to 30 and not below that of `base`. */
  readonly size: number;
}

/** Arguments of {@link DindJobTemplate}. Plain types decide the pod's structure; see {@link buildPodSpec}. */
export interface DindJobTemplateArgs {
  /** Namespace of the PodTemplate, the Jobs and their pods. */
  readonly namespace: pulumi.Input<string>;
  /** Fixed name of the PodTemplate: Jobs and policies refer to it. */
  readonly templateName: string;
  /** Key of the queue, at most 100 characters. */
  readonly queue: string;
  /** Further agent tags of this queue, `docker: "true"`. `queue` is added by itself. */
  readonly tags?: Readonly<Record<string, string>>;
  /** The agent token; unset with `jobAcquisitionTokens`, and only then. */
  readonly agentToken?: SecretKey;
  /**
   * Each pod fetches a token for its own job instead, from a dispatcher with `jobAcquisitionTokens`. Needs `agentMode`
   * `acquire` and an agent image with curl, as the official ones are. Default: none. Never tried on a real organisation.
   */
  readonly jobAcquisitionTokens?: JobTokenSource;
  /**
   * `acquire` (default): the pod runs exactly the job it was made for. `queue`: the pod takes any job of the queue and
   * ends after 50 s without one; exactly-once is then not promised.
   */
  readonly agentMode?: "acquire" | "queue";
  /**
   * How dind ends. `native` (default): as a native sidecar, by the kubelet. `shared-volume`: by a FIFO on a volume that both
   * containers share; it ends within milliseconds of the agent, and needs images with `buildkite-agent-entrypoint` and
   * `dockerd-entrypoint.sh` on their PATH, as the official ones have.
   */
  readonly sidecar?: "native" | "shared-volume";
  /**
   * Where dockerd puts its containers' cgroups. `engine` (default): where dockerd does by itself; on cgroup v1 that is
   * inside dind's own, on cgroup v2 outside the pod, so that only one build per node protects its neighbours. `pod`: on
   * cgroup v2 below the pod's cgroup. `pod` is not proven yet: it was only run on cgroup v1, where it changes nothing.
   */
  readonly innerCgroups?: "engine" | "pod";
  /** Image of the agent. Default: see {@link IMAGES}. */
  readonly agentImage?: string;
  /** Image of dind. Default: see {@link IMAGES}. */
  readonly dindImage?: string;
  /** What the two containers ask for; their sum is what the autoscaler counts. */
  readonly resources: { readonly agent: ContainerResources; readonly dind: ContainerResources };
  /** The build's time limit in seconds, from the kubelet's start of the pod. Default 14,400 (4 h). */
  readonly timeoutSeconds?: number;
  /**
   * How long a pod may wait for a node, in seconds, on top of the time limit. Default 7,200. Then a dispatcher that asks
   * Buildkite makes its Job anew; else the Job fails when both are over.
   */
  readonly pendingLimitSeconds?: number;
  /** How long a finished Job stays to be looked at, in seconds. Default 600. */
  readonly ttlSecondsAfterFinished?: number;
  /** From SIGTERM to SIGKILL, in seconds, 15 to 3600. Default 60. The agent's and dockerd's own limits derive from it. */
  readonly terminationGracePeriodSeconds?: number;
  /** Node selector; take it from the pool. */
  readonly nodeSelector?: Readonly<Record<string, string>>;
  /** Tolerations; take them from the pool. */
  readonly tolerations?: readonly PodToleration[];
  /** Environment of the agent, and so of every build. Variables this template sets itself are refused. */
  readonly env?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Environment from Secrets of the agents' namespace. */
  readonly secretEnv?: Readonly<Record<string, SecretKey>>;
  /** Git credentials. Default: none (public repositories). */
  readonly gitCredentials?: GitCredentials;
  /** ConfigMap whose keys are agent hooks (`pre-command`, ...). Fixed name: pods refer to it. */
  readonly hooksConfigMap?: string;
  /** Further volumes. */
  readonly volumes?: readonly BuildVolume[];
  /** Secrets for pulling the pod's own images. */
  readonly imagePullSecrets?: readonly string[];
  /** Service account of the pods; no token of it is mounted. Default `default`. */
  readonly serviceAccountName?: string;
  /** Registry mirrors for dockerd's pulls from Docker Hub. buildx's own builders do not read them. */
  readonly registryMirrors?: readonly string[];
  /** Address pools for user-defined Docker networks; default: Docker's own. */
  readonly defaultAddressPools?: readonly AddressPool[];
  /**
   * Size limit of Docker's graph volume (images, containers, volumes), e.g. `80Gi`; the kubelet evicts a build that
   * exceeds it. Default: the larger of `50Gi` and `resources.dind.ephemeralStorage`.
   */
  readonly dockerGraphSizeLimit?: string;
  /** The same for the builds volume (checkouts). Default: the larger of `20Gi` and `resources.agent.ephemeralStorage`. */
  readonly buildsSizeLimit?: string;
}
