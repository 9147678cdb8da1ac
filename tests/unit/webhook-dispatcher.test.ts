import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { WebhookDispatcher, type WebhookDispatcherArgs } from "../../components";
import { jobTokensCertificate } from "../../components/job-tokens-certificate";
import { readSettings } from "../../dispatcher/settings";
import { only, type Registration, registrationsOf } from "../support/mocks";
import { unhandledRejections } from "../support/unhandled-rejections";

const ARGS: WebhookDispatcherArgs = {
  namespace: "ci-dispatcher",
  agentsNamespace: "ci-agents",
  queues: [{ key: "default", default: true, templateName: "default" }],
  webhookSecret: "a-webhook-secret-of-the-tests",
};
/** Asks Buildkite. */
const BUILDKITE = { agentToken: "an-agent-token-of-the-tests", stackKey: "ci-1", jobsInFlight: 12 };
const TLS = jobTokensCertificate("one", "builds.example.com");
const OTHER_TLS = jobTokensCertificate("other", "builds.example.com");
const K8S = {
  configMap: "kubernetes:core/v1:ConfigMap",
  deployment: "kubernetes:apps/v1:Deployment",
  ingress: "kubernetes:networking.k8s.io/v1:Ingress",
  networkPolicy: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
  policy: "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
  role: "kubernetes:rbac.authorization.k8s.io/v1:Role",
  secret: "kubernetes:core/v1:Secret",
  service: "kubernetes:core/v1:Service",
};

function dispatcher(args: Partial<WebhookDispatcherArgs> = {}, opts?: pulumi.ComponentResourceOptions) {
  return registrationsOf(() => new WebhookDispatcher("dispatcher", { ...ARGS, ...args }, opts));
}

interface PodSpec {
  securityContext: Record<string, unknown>;
  terminationGracePeriodSeconds: number;
  topologySpreadConstraints: { whenUnsatisfiable: string }[];
  containers: {
    securityContext: Record<string, unknown>;
    env: { name: string; value?: string }[];
    readinessProbe: { httpGet: { path: string; port: string; scheme: string } };
    livenessProbe: { httpGet: { port: string } };
    lifecycle: { preStop: { sleep: { seconds: number } } };
    volumeMounts: { name: string; mountPath: string }[];
  }[];
  volumes: { name: string; configMap?: { name: string }; secret?: { secretName: string } }[];
}

function podOf(registrations: Registration[]) {
  const spec = only(registrations, K8S.deployment).inputs["spec"] as {
    replicas: number;
    strategy: unknown;
    template: { spec: PodSpec };
  };
  const [container] = spec.template.spec.containers;
  assert.ok(container);
  return { spec, pod: spec.template.spec, container };
}

describe("WebhookDispatcher", () => {
  it("has exactly the rights it needs, in the agents' namespace only", async () => {
    const registrations = await dispatcher();
    const role = only(registrations, K8S.role).inputs;
    assert.equal((role["metadata"] as Record<string, unknown>)["namespace"], "ci-agents");
    assert.deepEqual(role["rules"], [
      { apiGroups: ["batch"], resources: ["jobs"], verbs: ["create", "get", "list", "watch", "delete"] },
      { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch", "delete"] },
      { apiGroups: [""], resources: ["podtemplates"], verbs: ["get", "list", "watch"] },
      { apiGroups: [""], resources: ["events"], verbs: ["list"] },
    ]);
    assert.equal(
      registrations.some(({ type }) => type.includes("ClusterRole")),
      false,
    );
  });

  it("runs two replicas that the restricted Pod Security Standard admits, and rolls without a gap", async () => {
    const { spec, pod, container } = podOf(await dispatcher());
    assert.equal(spec.replicas, 2);
    assert.deepEqual(spec.strategy, { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
    assert.equal(pod.securityContext["runAsNonRoot"], true);
    assert.deepEqual(pod.securityContext["seccompProfile"], { type: "RuntimeDefault" });
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    assert.ok(pod.topologySpreadConstraints.every(({ whenUnsatisfiable }) => whenUnsatisfiable === "ScheduleAnyway"));
  });

  it("is found by Prometheus' usual configuration only where that is asked for, on the port for operations", async () => {
    const annotationsOf = (registrations: Registration[]): unknown => {
      const { template } = podOf(registrations).spec as unknown as {
        template: { metadata: Record<string, unknown> };
      };
      return template.metadata["annotations"];
    };
    assert.equal(annotationsOf(await dispatcher()), undefined);
    const annotations = annotationsOf(await dispatcher({ scrapeAnnotations: true })) as Record<string, string>;
    assert.deepEqual(annotations, {
      "prometheus.io/scrape": "true",
      "prometheus.io/port": "8081",
      "prometheus.io/path": "/metrics",
    });
    const { container } = podOf(await dispatcher());
    const ports = (container as unknown as { ports: { name: string; containerPort: number }[] }).ports;
    assert.deepEqual(
      ports.filter(({ name }) => name === "operations").map(({ containerPort }) => String(containerPort)),
      [annotations["prometheus.io/port"]],
    );
  });

  it("drains before it stops, and its grace period covers both", async () => {
    const { pod, container } = podOf(await dispatcher());
    assert.equal(container.lifecycle.preStop.sleep.seconds, 10);
    assert.ok(pod.terminationGracePeriodSeconds >= 10 + 20, "preStop and 20 s to finish what was acknowledged");
    assert.deepEqual(container.readinessProbe.httpGet, { path: "/readyz", port: "webhook", scheme: "HTTP" });
    assert.equal(container.livenessProbe.httpGet.port, "operations");
  });

  it("ships bundle and settings under names that change with them, and the secret under one that never does", async () => {
    const registrations = await dispatcher();
    const names = new Set(
      registrations
        .filter(({ type }) => type === K8S.configMap)
        .map(({ inputs }) => {
          assert.equal(inputs["immutable"], true);
          assert.equal((inputs["metadata"] as Record<string, unknown>)["name"], undefined);
          return Object.keys(inputs["data"] as object).join();
        }),
    );
    assert.deepEqual(names, new Set(["dispatcher.js", "settings.json"]));
    const secret = only(registrations, K8S.secret);
    assert.equal((secret.inputs["metadata"] as Record<string, unknown>)["name"], "buildkite-webhook");
  });

  it("keeps the webhook secret secret and out of everything but its Secret", async () => {
    const registrations = await dispatcher({
      webhookSecret: pulumi.secret("a-webhook-secret-of-the-tests"),
      previousWebhookSecret: pulumi.secret("the-former-one-of-the-tests"),
    });
    for (const registration of registrations) {
      const text = JSON.stringify(registration.inputs);
      if (/a-webhook-secret-of-the-tests|the-former-one-of-the-tests/.test(text)) {
        assert.ok(registration.secretPaths.length > 0, `${registration.type} marks it`);
        assert.ok(
          [K8S.secret, "buildkite-scale-to-zero:index:WebhookDispatcher"].includes(registration.type),
          registration.type,
        );
      }
    }
    assert.deepEqual(only(registrations, K8S.secret).inputs["stringData"], {
      current: "a-webhook-secret-of-the-tests",
      previous: "the-former-one-of-the-tests",
    });
  });

  it("tells the dispatcher its routes: queue, tags, cluster, template, mode", async () => {
    const registrations = await dispatcher({
      queues: [
        { key: "default", default: true, templateName: "default" },
        {
          key: "gpu",
          clusterId: "42f1a7da-812d-4430-93d8-1cc7c33a6bcf",
          tags: { gpu: "true" },
          templateName: "gpu",
          agentMode: "queue",
        },
      ],
    });
    const data = only(registrations, K8S.configMap, "dispatcher-settings").inputs["data"] as Record<string, string>;
    assert.deepEqual(JSON.parse(data["settings.json"] ?? ""), {
      agentsNamespace: "ci-agents",
      mode: "webhook-only",
      queues: [
        { key: "default", default: true, tags: ["queue=default"], template: "default", agentMode: "acquire" },
        {
          key: "gpu",
          default: false,
          clusterId: "42f1a7da-812d-4430-93d8-1cc7c33a6bcf",
          tags: ["gpu=true", "queue=gpu"],
          template: "gpu",
          agentMode: "queue",
        },
      ],
      limits: { createConcurrency: 16, bufferSize: 1000 },
    });
  });

  it("asks Buildkite where it is told to: settings, a Secret of a fixed name, its mount", async () => {
    const registrations = await dispatcher({
      buildkite: { ...BUILDKITE, agentToken: pulumi.secret("an-agent-token-of-the-tests"), intervalSeconds: 5 },
    });
    const data = only(registrations, K8S.configMap, "dispatcher-settings").inputs["data"] as Record<string, string>;
    const { mode, stackKey, buildkite, limits } = readSettings(data["settings.json"] ?? "");
    assert.deepEqual([mode, stackKey, limits.inFlight], ["reconcile", "ci-1", 12]);
    assert.deepEqual(buildkite, { endpoint: "https://agent.buildkite.com/v3", intervalSeconds: 5 });
    const secret = only(registrations, K8S.secret, "dispatcher-agent-token");
    assert.equal((secret.inputs["metadata"] as Record<string, unknown>)["name"], "buildkite-agent-token");
    assert.deepEqual(secret.inputs["stringData"], { current: "an-agent-token-of-the-tests" });
    assert.ok(secret.secretPaths.some((path) => path.startsWith("stringData")));
    const { container, pod } = podOf(registrations);
    const path = "/etc/dispatcher/agent-token";
    assert.ok(container.env.some(({ name, value }) => name === "DISPATCHER_AGENT_TOKEN" && value === path));
    assert.ok(container.volumeMounts.some(({ name, mountPath }) => name === "agent-token" && mountPath === path));
    assert.ok(pod.volumes.some(({ secret: mounted }) => mounted?.secretName === "buildkite-agent-token"));
    const elsewhere = registrations.filter(
      ({ type, inputs }) =>
        type !== K8S.secret && type.startsWith("kubernetes:") && JSON.stringify(inputs).includes("an-agent-token"),
    );
    assert.deepEqual(elsewhere, []);
  });

  it("has no agent token and no mount for one in webhook-only", async () => {
    const registrations = await dispatcher();
    assert.equal(registrations.filter(({ type }) => type === K8S.secret).length, 1);
    assert.ok(podOf(registrations).pod.volumes.every(({ name }) => name !== "agent-token"));
  });

  it("lets out to Buildkite, the API server and DNS only, whatever Buildkite's port is", async () => {
    for (const [endpoint, ports] of [
      [undefined, [443, 6443, 53, 53]],
      ["http://10.0.0.9:3100/v3", [443, 6443, 3100, 53, 53]],
      ["http://relay.ci.svc/v3", [443, 6443, 80, 53, 53]],
    ] as const) {
      const registrations = await dispatcher({ buildkite: { ...BUILDKITE, endpoint } });
      const { egress } = only(registrations, K8S.networkPolicy).inputs["spec"] as {
        egress: { ports: { port: number }[] }[];
      };
      assert.deepEqual(
        egress.flatMap((rule) => rule.ports.map(({ port }) => port)),
        [...ports],
      );
    }
  });

  it("refuses Jobs of unknown templates in the agents' namespace, also when the policy itself fails", async () => {
    const registrations = await dispatcher();
    const policy = only(registrations, K8S.policy, "dispatcher-known-templates").inputs["spec"] as {
      failurePolicy: string;
      validations: { expression: string }[];
    };
    assert.equal(policy.failurePolicy, "Fail");
    assert.match(policy.validations[0]?.expression ?? "", /in \['default'\]$/);
    assert.deepEqual(only(registrations, `${K8S.policy}Binding`, "dispatcher-known-templates-binding").inputs["spec"], {
      policyName: "dispatcher-known-templates-abc1234",
      validationActions: ["Deny"],
      matchResources: { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "ci-agents" } } },
    });
  });

  it("leaves behind the pair that keeps the API server's watch of templates going, and nothing else", async () => {
    const registrations = await registrationsOf(() => new WebhookDispatcher("dispatcher", ARGS));
    assert.deepEqual(
      registrations.filter(({ retainOnDelete }) => retainOnDelete).map(({ name }) => name),
      ["dispatcher-template-watch", "dispatcher-template-watch-binding"],
    );
  });

  it("exposes nothing by default", async () => {
    const registrations = await dispatcher();
    assert.equal(registrations.filter(({ type }) => type === K8S.ingress).length, 0);
    const spec = only(registrations, K8S.service).inputs["spec"] as Record<string, unknown>;
    assert.equal(spec["type"], "ClusterIP");
  });

  it("lets an Ingress pass one path of one host, over HTTPS only", async () => {
    const registrations = await dispatcher({
      exposure: {
        type: "ingress",
        host: "builds.example.com",
        addressName: "address",
        address: "203.0.113.9",
        certificateName: "certificate",
      },
    });
    const { metadata, spec } = only(registrations, K8S.ingress).inputs as {
      metadata: { annotations: Record<string, string> };
      spec: unknown;
    };
    assert.equal(metadata.annotations["kubernetes.io/ingress.allow-http"], "false");
    assert.equal(metadata.annotations["ingress.gcp.kubernetes.io/pre-shared-cert"], "certificate");
    assert.deepEqual(spec, {
      rules: [
        {
          host: "builds.example.com",
          http: {
            paths: [
              {
                path: "/webhook",
                pathType: "Exact",
                backend: { service: { name: "dispatcher-service-abc1234", port: { name: "webhook" } } },
              },
            ],
          },
        },
      ],
    });
  });

  it("speaks HTTPS itself behind a public load balancer, probes included", async () => {
    const registrations = await dispatcher({
      exposure: {
        type: "load-balancer",
        tls: { certificate: TLS.certificate, key: pulumi.secret(TLS.key) },
      },
    });
    const { container, pod } = podOf(registrations);
    assert.equal(container.readinessProbe.httpGet.scheme, "HTTPS");
    assert.ok(container.env.some(({ name, value }) => name === "DISPATCHER_TLS" && value === "/etc/dispatcher/tls"));
    assert.ok(pod.volumes.some(({ secret }) => secret?.secretName === "buildkite-webhook-tls"));
    const secret = only(registrations, K8S.secret, "dispatcher-tls");
    assert.equal(secret.inputs["type"], "kubernetes.io/tls");
    assert.deepEqual(secret.inputs["stringData"], { "tls.crt": TLS.certificate, "tls.key": TLS.key });
    assert.ok(secret.secretPaths.some((path) => path.startsWith("stringData")));
    assert.deepEqual((only(registrations, K8S.service).inputs["spec"] as Record<string, unknown>)["ports"], [
      { name: "webhook", port: 443, targetPort: "webhook" },
    ]);
  });

  it("overwrites no certificate with one that its pods could not start with", async () => {
    const tls = { certificate: TLS.certificate, key: pulumi.secret(OTHER_TLS.key) };
    let registrations: Registration[] = [];
    const [first] = await unhandledRejections(async () => {
      registrations = await dispatcher({ exposure: { type: "load-balancer", tls } });
    });
    const words = String(first);
    assert.match(
      words,
      /WebhookDispatcher dispatcher: exposure\.tls\.key must be the key of the certificate that stands first/,
    );
    assert.doesNotMatch(words, /BEGIN/);
    const touched = registrations.map(({ name }) => name).filter((name) => /-(tls|deployment|service)$/.test(name));
    assert.deepEqual(touched, []);
  });

  it("asks GKE for an internal address when told to", async () => {
    const registrations = await dispatcher({ exposure: { type: "load-balancer", internal: true } });
    const { annotations } = only(registrations, K8S.service).inputs["metadata"] as {
      annotations: Record<string, string>;
    };
    assert.deepEqual(annotations, { "networking.gke.io/load-balancer-type": "Internal" });
  });

  it("is the parent of its children, names them after itself, and hands them the caller's provider", async () => {
    const registrations = await registrationsOf(async () => {
      const k8s = await import("@pulumi/kubernetes");
      const provider = new k8s.Provider("mine", { kubeconfig: "{}" });
      new WebhookDispatcher("dispatcher", ARGS, { providers: { kubernetes: provider } });
    });
    for (const child of registrations.filter(({ type }) => type.startsWith("kubernetes:"))) {
      assert.match(child.name, /^dispatcher-/);
      assert.match(child.parent, /WebhookDispatcher::dispatcher$/);
      assert.match(child.provider, /::mine::/, `${child.name} uses the caller's provider`);
    }
  });

  it("needs no known value at preview", async () => {
    const registrations = await registrationsOf(() => new WebhookDispatcher("dispatcher", ARGS), { preview: true });
    assert.equal(registrations.length, 16);
    const asking = await registrationsOf(() => new WebhookDispatcher("dispatcher", { ...ARGS, buildkite: BUILDKITE }), {
      preview: true,
    });
    assert.equal(asking.length, 17);
  });

  const refused: [string, Partial<WebhookDispatcherArgs>, RegExp][] = [
    ["one namespace for everything", { namespace: "ci-agents" }, /namespace must not be the agents' namespace/],
    ["no queue", { queues: [] }, /queues must name at least one queue/],
    [
      "a cluster that is no UUID as Buildkite writes it",
      { queues: [{ key: "a", templateName: "a", clusterId: "42F1A7DA-812D-4430-93D8-1CC7C33A6BCF" }] },
      /queues\[0\]\.clusterId must be a lower-case UUID, got/,
    ],
    [
      "a queue named twice",
      {
        queues: [
          { key: "a", templateName: "a" },
          { key: "a", templateName: "b" },
        ],
      },
      /queues\[1\]\.key must be unique, got "a" twice/,
    ],
    [
      "two default queues",
      {
        queues: [
          { key: "a", default: true, templateName: "a" },
          { key: "b", default: true, templateName: "b" },
        ],
      },
      /at most one with default: true/,
    ],
    ["no replica", { replicas: 0 }, /replicas must be a whole number from 1 to 10, got 0/],
    [
      "a stack key that Buildkite refuses",
      { buildkite: { ...BUILDKITE, stackKey: "a.b" } },
      /buildkite\.stackKey must be 1 to 80 letters/,
    ],
    [
      "no slot",
      { buildkite: { ...BUILDKITE, jobsInFlight: 0 } },
      /buildkite\.jobsInFlight must be a whole number from 1/,
    ],
    [
      "to send the agent token in clear",
      { buildkite: { ...BUILDKITE, endpoint: "http://agent.buildkite.com/v3" } },
      /buildkite\.endpoint must be an https:\/\/ address/,
    ],
    ["a public load balancer in clear", { exposure: { type: "load-balancer" } }, /must be internal or have tls/],
    [
      "a host that is none",
      { exposure: { type: "ingress", host: "nowhere", addressName: "a", address: "b", certificateName: "c" } },
      /exposure\.host must be a DNS name/,
    ],
  ];
  for (const [what, args, message] of refused) {
    it(`refuses ${what} before it creates anything`, async () => {
      const registrations = await registrationsOf(() => {
        assert.throws(() => new WebhookDispatcher("dispatcher", { ...ARGS, ...args }), message);
      });
      assert.equal(registrations.filter(({ type }) => type.startsWith("kubernetes:")).length, 0);
    });
  }
});
