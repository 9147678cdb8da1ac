import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import {
  DindJobTemplate,
  WebhookDispatcher,
  type DindJobTemplateArgs,
  type WebhookDispatcherArgs,
} from "../../components";
import { AgentsNamespace } from "../../components/agents-namespace";
import { jobTokenSourceOf, jobTokensHost } from "../../components/job-token-source";
import { jobTokensCertificate } from "../../components/job-tokens-certificate";
import { buildPodSpec } from "../../components/pod-spec";
import { parse } from "../../config";
import { readSettings } from "../../dispatcher/settings";
import { templateArgsOf } from "../../stack/queue-template";
import { only, registrationsOf } from "../support/mocks";

const TOKEN = "an-agent-token-of-the-tests";
const TEMPLATE: DindJobTemplateArgs = {
  ...{ namespace: "ci-agents", templateName: "default", queue: "default" },
  jobAcquisitionTokens: jobTokenSourceOf("ci-dispatcher"),
  resources: { agent: { cpu: "500m", memory: "1Gi" }, dind: { cpu: "1", memory: "4Gi" } },
};
const BUILDKITE = { agentToken: pulumi.secret(TOKEN), stackKey: "ci-1", jobsInFlight: 12, jobAcquisitionTokens: true };
const DISPATCHER: WebhookDispatcherArgs = {
  ...{ namespace: "ci-dispatcher", agentsNamespace: "ci-agents", webhookSecret: "a-webhook-secret-of-the-tests" },
  queues: [{ key: "default", default: true, templateName: "default" }],
  buildkite: BUILDKITE,
};

interface Container {
  name: string;
  image: string;
  env?: { name: string; value?: string }[];
  command?: string[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  securityContext: object;
}

interface Spec {
  automountServiceAccountToken: boolean;
  initContainers: Container[];
  containers: Container[];
  volumes: { name: string; emptyDir?: object; projected?: { sources: object[] } }[];
}

function podOf(more: Partial<DindJobTemplateArgs> = {}): Spec {
  return buildPodSpec({ ...TEMPLATE, ...more }) as unknown as Spec;
}

function named(containers: readonly Container[], name: string): Container {
  const found = containers.filter((container) => container.name === name);
  assert.equal(found.length, 1, name);
  return found[0] as Container;
}

describe("job acquisition tokens in the pod", () => {
  for (const sidecar of ["native", "shared-volume"] as const) {
    it(`keep the agent token out of it altogether (${sidecar})`, () => {
      assert.doesNotMatch(JSON.stringify(podOf({ sidecar })), /BUILDKITE_AGENT_TOKEN|secretKeyRef/);
    });

    it(`come through a file in memory, which an init container writes before the agent starts (${sidecar})`, () => {
      const { initContainers, containers, volumes } = podOf({ sidecar });
      const order = sidecar === "native" ? ["dind", "job-token"] : ["job-token"];
      assert.deepEqual(
        initContainers.map(({ name }) => name),
        order,
      );
      const agent = named(containers, "agent");
      const path = agent.env?.find(({ name }) => name === "BUILDKITE_AGENT_CONFIG")?.value;
      assert.equal(path, "/run/job-token/buildkite-agent.cfg");
      const mount = agent.volumeMounts.find(({ name }) => name === "job-token");
      assert.deepEqual(mount, { name: "job-token", mountPath: "/run/job-token", readOnly: true });
      assert.deepEqual(volumes.find(({ name }) => name === "job-token")?.emptyDir, {
        ...{ medium: "Memory", sizeLimit: "1Mi" },
      });
      assert.equal(named(initContainers, "job-token").image, agent.image, "no further image to pull");
    });

    it(`show the service account token, bound to the audience, to that init container only (${sidecar})`, () => {
      const { automountServiceAccountToken, initContainers, containers, volumes } = podOf({ sidecar });
      assert.equal(automountServiceAccountToken, false);
      assert.deepEqual(volumes.find(({ name }) => name === "job-token-request")?.projected?.sources, [
        { serviceAccountToken: { path: "token", audience: "buildkite-scale-to-zero", expirationSeconds: 600 } },
        { configMap: { name: "buildkite-job-tokens", optional: true, items: [{ key: "ca.crt", path: "ca.crt" }] } },
      ]);
      const seers = [...initContainers, ...containers].filter(({ volumeMounts }) =>
        volumeMounts.some(({ name }) => name === "job-token-request"),
      );
      assert.deepEqual(
        seers.map(({ name }) => name),
        ["job-token"],
      );
      const dind = named([...initContainers, ...containers], "dind");
      assert.ok(dind.volumeMounts.every(({ name }) => !name.startsWith("job-token")));
      assert.deepEqual(named(initContainers, "job-token").securityContext, {
        ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
        seccompProfile: { type: "RuntimeDefault" },
      });
    });
  }

  it("leave every pod of a template the same, and one without them as it was", () => {
    assert.deepEqual(podOf(), podOf());
    const plain = podOf({ jobAcquisitionTokens: undefined, agentToken: { secret: "token", key: "token" } });
    assert.doesNotMatch(JSON.stringify(plain), /job-token|BUILDKITE_AGENT_CONFIG/);
  });

  const refused: [string, Partial<DindJobTemplateArgs>, RegExp][] = [
    ["both kinds of token", { agentToken: { secret: "s", key: "k" } }, /agentToken must be unset with jobAcquisition/],
    ["neither", { jobAcquisitionTokens: undefined }, /agentToken must be set/],
    ["a pod that takes any job", { agentMode: "queue" }, /agentMode must be acquire with jobAcquisitionTokens/],
    [
      "to fetch tokens in clear",
      { jobAcquisitionTokens: { url: "http://d.svc/job-token", caConfigMap: "c" } },
      /jobAcquisitionTokens\.url must be an https:\/\/ address/,
    ],
    ["another configuration file", { env: { BUILDKITE_AGENT_CONFIG: "x" } }, /BUILDKITE_AGENT_CONFIG must be left out/],
    [
      "a volume of that name",
      { volumes: [{ volume: { name: "job-token", emptyDir: {} }, mountPath: "/x" }] },
      /must not be job-token/,
    ],
  ];
  for (const [what, args, message] of refused) {
    it(`are refused with ${what}`, async () => {
      await registrationsOf(() => {
        assert.throws(() => new DindJobTemplate("default", { ...TEMPLATE, ...args }), message);
      });
    });
  }
});

describe("job acquisition tokens in the program", () => {
  it("have a certificate that is the same each time, is another for another token, and names one host", () => {
    const host = jobTokensHost("ci-dispatcher");
    const { certificate, key } = jobTokensCertificate(TOKEN, host);
    assert.deepEqual(jobTokensCertificate(TOKEN, host), { certificate, key });
    assert.notEqual(jobTokensCertificate(`${TOKEN}2`, host).key, key);
    const x509 = new X509Certificate(certificate);
    assert.equal(x509.checkHost(host), host);
    assert.equal(x509.checkHost("job-tokens.other.svc"), undefined);
    assert.ok(x509.verify(x509.publicKey) && !x509.ca);
    assert.ok(Date.parse(x509.validTo) > Date.parse("9999-01-01"));
    assert.equal(
      new X509Certificate(jobTokensCertificate(TOKEN, "10.0.0.1").certificate).checkIP("10.0.0.1"),
      "10.0.0.1",
    );
  });

  it("give the dispatcher the right to review tokens, a port in the cluster and its certificate, and nothing more", async () => {
    const registrations = await registrationsOf(() => new WebhookDispatcher("dispatcher", DISPATCHER));
    assert.deepEqual(only(registrations, "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole").inputs["rules"], [
      { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
    ]);
    const { subjects } = only(registrations, "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding").inputs;
    assert.deepEqual(subjects, [
      { kind: "ServiceAccount", name: "dispatcher-service-account-abc1234", namespace: "ci-dispatcher" },
    ]);
    const service = only(registrations, "kubernetes:core/v1:Service", "dispatcher-job-tokens-service").inputs;
    assert.equal((service["metadata"] as { name: string }).name, "job-tokens");
    const { type, ports } = service["spec"] as Record<string, unknown>;
    assert.deepEqual([type, ports], ["ClusterIP", [{ name: "job-tokens", port: 443, targetPort: 8443 }]]);
    const policy = only(registrations, "kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs["spec"] as {
      ingress: { from?: unknown[]; ports: { port: number }[] }[];
    };
    assert.deepEqual(
      policy.ingress.filter((rule) => rule.ports.some(({ port }) => port === 8443)),
      [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "ci-agents" } },
              podSelector: { matchLabels: { "app.kubernetes.io/managed-by": "buildkite-scale-to-zero" } },
            },
          ],
          ports: [{ port: 8443, protocol: "TCP" }],
        },
      ],
    );
  });

  it("keep the key secret and the certificate public, and agree with what the dispatcher is told", async () => {
    const registrations = await registrationsOf(() => new WebhookDispatcher("dispatcher", DISPATCHER));
    const secret = only(registrations, "kubernetes:core/v1:Secret", "dispatcher-job-tokens-tls");
    const { "tls.crt": certificate, "tls.key": key } = secret.inputs["stringData"] as Record<string, string>;
    assert.ok(certificate !== undefined && key !== undefined);
    assert.ok(secret.secretPaths.some((path) => path.startsWith("stringData")));
    const ca = only(registrations, "kubernetes:core/v1:ConfigMap", "dispatcher-job-tokens-ca");
    assert.deepEqual(ca.inputs["metadata"], { name: "buildkite-job-tokens", namespace: "ci-agents" });
    assert.deepEqual([ca.inputs["data"], ca.secretPaths], [{ "ca.crt": certificate }, []]);
    assert.equal(
      new X509Certificate(certificate).checkHost("job-tokens.ci-dispatcher.svc"),
      "job-tokens.ci-dispatcher.svc",
    );
    assert.equal(TEMPLATE.jobAcquisitionTokens?.url, "https://job-tokens.ci-dispatcher.svc/job-token");
    const others = registrations.filter((it) => it !== secret && JSON.stringify(it.inputs).includes(key.slice(30, 60)));
    assert.deepEqual(others, []);
    const settings = only(registrations, "kubernetes:core/v1:ConfigMap", "dispatcher-settings").inputs["data"];
    const { buildkite } = readSettings((settings as Record<string, string>)["settings.json"] ?? "");
    assert.equal(buildkite?.jobAcquisitionTokens, true);
    const deployment = only(registrations, "kubernetes:apps/v1:Deployment").inputs["spec"] as {
      template: {
        spec: { containers: { env: { name: string; value?: string }[]; ports: object[] }[]; volumes: object[] };
      };
    };
    const { containers, volumes } = deployment.template.spec;
    const env = (name: string): string | undefined => containers[0]?.env.find((it) => it.name === name)?.value;
    assert.deepEqual(
      [env("DISPATCHER_JOB_TOKENS_TLS"), env("JOB_TOKENS_PORT")],
      ["/etc/dispatcher/job-tokens-tls", "8443"],
    );
    assert.ok(JSON.stringify(volumes).includes('"secretName":"buildkite-job-tokens-tls"'));
    assert.deepEqual(containers[0]?.ports.at(-1), { name: "job-tokens", containerPort: 8443 });
  });

  it("are off by default: no right, no port, no certificate", async () => {
    const buildkite = { ...BUILDKITE, jobAcquisitionTokens: undefined };
    const registrations = await registrationsOf(
      () => new WebhookDispatcher("dispatcher", { ...DISPATCHER, buildkite }),
    );
    const plain = registrations.filter(
      ({ name, type }) => type.startsWith("kubernetes:") && name !== "dispatcher-bundle",
    );
    assert.doesNotMatch(JSON.stringify(plain), /job-?tokens|jobAcquisitionTokens|8443|ClusterRole/i);
  });

  it("leave no agent token in the agents' namespace", async () => {
    const args = { namespace: "ci-agents", agentToken: pulumi.secret(TOKEN), jobAcquisitionTokens: true };
    let agents: AgentsNamespace | undefined;
    const registrations = await registrationsOf(() => (agents = new AgentsNamespace("agents", args)));
    assert.equal(agents?.agentToken, undefined);
    assert.doesNotMatch(
      JSON.stringify(registrations.filter(({ type }) => type.startsWith("kubernetes:"))),
      /agent-token/,
    );
    const source = jobTokenSourceOf("ci-dispatcher");
    await registrationsOf(() => {
      const inNamespace = new AgentsNamespace("agents", args);
      const template = templateArgsOf({ key: "default" }, inNamespace, undefined, source);
      assert.deepEqual([template.agentToken, template.jobAcquisitionTokens], [undefined, source]);
    });
  });

  it("are refused for a queue whose pods take any job, by the component and by the dispatcher", async () => {
    const queues = [{ key: "a", templateName: "a", agentMode: "queue" as const }];
    await registrationsOf(() => {
      assert.throws(
        () => new WebhookDispatcher("dispatcher", { ...DISPATCHER, queues }),
        /queues\[0\]\.agentMode must be acquire with buildkite\.jobAcquisitionTokens/,
      );
    });
    const settings = (change: object): string =>
      JSON.stringify({
        ...{ agentsNamespace: "a", mode: "reconcile", stackKey: "s" },
        queues: [{ key: "a", default: true, tags: ["queue=a"], template: "a", agentMode: "queue" }],
        buildkite: { endpoint: "https://agent.buildkite.com/v3", intervalSeconds: 5, ...change },
        limits: { createConcurrency: 1, bufferSize: 1, inFlight: 1 },
      });
    assert.throws(() => readSettings(settings({ jobAcquisitionTokens: true })), /queue "a" has agentMode "queue"/);
    assert.throws(() => readSettings(settings({ jobAcquisitionTokens: "yes" })), /must be true or false, got "yes"/);
    assert.equal(readSettings(settings({})).buildkite?.jobAcquisitionTokens, undefined);
  });

  it("are refused by the configuration where they cannot work, with both sides of the conflict", () => {
    const stack = {
      ...{ target: "local", maxNodes: "1", kubeconfig: "k", context: "c", jobAcquisitionTokens: "true" },
      ...{ agentToken: TOKEN, webhookSecret: "a-webhook-secret-of-the-tests" },
    };
    assert.deepEqual(parse(stack, "test", undefined).values?.jobAcquisitionTokens, true);
    const queues = JSON.stringify([{ key: "a", agentMode: "queue" }, { key: "b" }]);
    assert.deepEqual(parse({ ...stack, queues }, "test", undefined).faults, [
      "jobAcquisitionTokens gives each pod a token for one job, but queue a has agentMode queue: set its agentMode to acquire, or jobAcquisitionTokens to false",
    ]);
    assert.match(
      parse({ ...stack, webhookOnly: "true" }, "test", undefined).faults.join(),
      /^jobAcquisitionTokens is for a dispatcher that asks Buildkite, but webhookOnly is true/,
    );
  });
});
