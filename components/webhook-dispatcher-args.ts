import type * as pulumi from "@pulumi/pulumi";

/** One queue that the dispatcher serves. */
export interface ServedQueue {
  /** Key of the queue at Buildkite. */
  readonly key: string;
  /** Whether jobs that name no queue come here (the cluster's default queue). Default false. */
  readonly default?: boolean;
  /** Only jobs of this Buildkite cluster are taken. Default: any. */
  readonly clusterId?: string;
  /** Further agent tags, as the template has them. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Name of its PodTemplate in the agents' namespace. */
  readonly templateName: string;
  /** Agent mode of that template. Default `acquire`. */
  readonly agentMode?: "acquire" | "queue";
}

/** How webhooks reach the dispatcher. A webhook's body carries build environment, so it never crosses the internet in clear. */
export type Exposure =
  | {
      /** Only from inside the cluster. */
      readonly type: "none";
    }
  | {
      /** GKE's external Application Load Balancer with a Google-managed certificate. */
      readonly type: "ingress";
      /** DNS name that Buildkite calls. */
      readonly host: string;
      /** Name of the reserved global address. */
      readonly addressName: pulumi.Input<string>;
      /** That address, for DNS. */
      readonly address: pulumi.Input<string>;
      /** Name of the Google-managed certificate for `host`. */
      readonly certificateName: pulumi.Input<string>;
    }
  | {
      /** A Service of type LoadBalancer. */
      readonly type: "load-balancer";
      /** An address of the VPC only. Without it `tls` is required. Default false. */
      readonly internal?: boolean;
      /** The dispatcher then speaks HTTPS itself. A renewed certificate is taken up without a restart. */
      readonly tls?: {
        /** PEM: the certificate and what leads from it to its authority. */
        readonly certificate: pulumi.Input<string>;
        /** PEM, without a passphrase: the key of that certificate, which is checked before either reaches the cluster. */
        readonly key: pulumi.Input<string>;
      };
    };

/** How Buildkite is asked for its scheduled jobs (its Stacks API). */
export interface BuildkiteAccess {
  /** An agent token of the queues' cluster. */
  readonly agentToken: pulumi.Input<string>;
  /** What Buildkite knows this installation by: 1 to 80 letters, digits, `-` and `_`; its own in the organization. */
  readonly stackKey: string;
  /** The most live Jobs, 1 to 100,000: as many builds as the nodes hold. Further jobs wait at Buildkite, in its order. */
  readonly jobsInFlight: number;
  /** From one list to the next, 1 to 60. Default 10. */
  readonly intervalSeconds?: number;
  /** For tests and proxies. Default `https://agent.buildkite.com/v3`. */
  readonly endpoint?: string;
  /**
   * Build pods fetch a token for their own job here instead of having the agent token: a further port inside the cluster,
   * and the right to create TokenReviews. For templates with `jobAcquisitionTokens`. Default false. Never tried on a real
   * organisation.
   */
  readonly jobAcquisitionTokens?: boolean;
}

/** Arguments of {@link WebhookDispatcher}. */
export interface WebhookDispatcherArgs {
  /** Namespace made for the dispatcher; never the agents'. */
  readonly namespace: string;
  /** Namespace of Jobs, pods and PodTemplates; it exists already. */
  readonly agentsNamespace: string;
  /**
   * The queues and their templates; at least one. Only a template's own policy says what its Jobs may be, so let the
   * dispatcher depend on all of them (`dependsOn`): their names become known when those policies are bound.
   */
  readonly queues: readonly ServedQueue[];
  /** The token that Buildkite signs webhooks with. */
  readonly webhookSecret: pulumi.Input<string>;
  /** The former token, accepted as well while Buildkite is being changed over. */
  readonly previousWebhookSecret?: pulumi.Input<string>;
  /**
   * Makes certain what webhooks make quick: jobs whose webhook was lost are found, canceled ones lose their Job. Default:
   * none, which is webhook-only: a lost webhook is a lost build.
   */
  readonly buildkite?: BuildkiteAccess;
  /** How webhooks arrive. Default: `none`. */
  readonly exposure?: Exposure;
  /** Replicas, 1 to 10; none is a leader. Default 2. */
  readonly replicas?: number;
  /** Stock Node image, 24 or newer, that runs the bundle. Default: see {@link IMAGES}. */
  readonly nodeImage?: string;
  /** How many Jobs one replica creates at once, 1 to 256. Default 16. */
  readonly createConcurrency?: number;
  /** Whether its pods carry `prometheus.io/scrape` and what belongs to it. Default false. */
  readonly scrapeAnnotations?: boolean;
}
