import { type ArgumentFault, DNS_LABEL, integerWithin, textLike } from "./argument-rules";
import { BUILDKITE_ENDPOINT, ENDPOINT_RULE, isEndpoint } from "./buildkite-endpoint";
import { UUID_PATTERN } from "./contract";
import type { BuildkiteAccess, WebhookDispatcherArgs } from "./webhook-dispatcher-args";

/** Every argument of a WebhookDispatcher that breaks its rule. */
export function webhookDispatcherFaults(args: WebhookDispatcherArgs): ArgumentFault[] {
  const keys = args.queues.map(({ key }) => key);
  const exposure = args.exposure ?? { type: "none" };
  return [
    ...textLike("namespace", args.namespace, DNS_LABEL, "a DNS label: 1 to 63 lower-case letters, digits and dashes"),
    ...(args.namespace === args.agentsNamespace
      ? [
          {
            path: "namespace",
            reason: `must not be the agents' namespace ${args.agentsNamespace}: pods there are privileged`,
          },
        ]
      : []),
    ...(args.queues.length === 0 ? [{ path: "queues", reason: "must name at least one queue" }] : []),
    ...keys.flatMap((key, index) =>
      keys.indexOf(key) === index
        ? []
        : [{ path: `queues[${index}].key`, reason: `must be unique, got ${JSON.stringify(key)} twice` }],
    ),
    ...(args.queues.filter((queue) => queue.default === true).length > 1
      ? [
          {
            path: "queues",
            reason: "must hold at most one with default: true: a job without a queue can go to one only",
          },
        ]
      : []),
    ...args.queues.flatMap(({ clusterId }, index) =>
      clusterId === undefined
        ? []
        : textLike(`queues[${index}].clusterId`, clusterId, new RegExp(UUID_PATTERN), "a lower-case UUID"),
    ),
    ...integerWithin("replicas", args.replicas ?? 2, 1, 10),
    ...integerWithin("createConcurrency", args.createConcurrency ?? 16, 1, 256),
    ...(args.buildkite === undefined ? [] : buildkiteFaults(args.buildkite)),
    ...(args.buildkite?.jobAcquisitionTokens === true
      ? args.queues.flatMap(({ agentMode }, index) =>
          agentMode === "queue"
            ? [
                {
                  path: `queues[${index}].agentMode`,
                  reason: "must be acquire with buildkite.jobAcquisitionTokens: such a token is good for one job",
                },
              ]
            : [],
        )
      : []),
    ...(exposure.type === "ingress"
      ? textLike("exposure.host", exposure.host, HOST, "a DNS name such as builds.example.com")
      : []),
    ...(exposure.type === "load-balancer" && exposure.internal !== true && exposure.tls === undefined
      ? [
          {
            path: "exposure",
            reason:
              "of type load-balancer must be internal or have tls: webhook bodies carry build environment and would cross the internet in clear",
          },
        ]
      : []),
  ];
}

function buildkiteFaults({ stackKey, jobsInFlight, intervalSeconds, endpoint }: BuildkiteAccess): ArgumentFault[] {
  return [
    ...textLike("buildkite.stackKey", stackKey, /^[A-Za-z0-9_-]{1,80}$/, "1 to 80 letters, digits, - and _"),
    ...integerWithin("buildkite.jobsInFlight", jobsInFlight, 1, 100_000),
    ...integerWithin("buildkite.intervalSeconds", intervalSeconds ?? 10, 1, 60),
    ...(isEndpoint(endpoint ?? BUILDKITE_ENDPOINT)
      ? []
      : [{ path: "buildkite.endpoint", reason: `must be ${ENDPOINT_RULE}, got ${JSON.stringify(endpoint)}` }]),
  ];
}

const HOST = /^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,}$/;
