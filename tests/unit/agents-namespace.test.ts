import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { AgentsNamespace, type AgentsNamespaceArgs } from "../../components/agents-namespace";
import { ACTIVE_DEADLINE_ANNOTATION, TTL_ANNOTATION } from "../../components/contract";
import { stamp } from "../../components/stamp";
import { only, registrationsOf } from "../support/mocks";

const ARGS: AgentsNamespaceArgs = { namespace: "ci-agents", agentToken: pulumi.secret("an-agent-token-of-the-tests") };

describe("AgentsNamespace", () => {
  it("lets privileged pods in, and limits how many Jobs there may be", async () => {
    const registrations = await registrationsOf(() => new AgentsNamespace("agents", ARGS));
    const { labels } = only(registrations, "kubernetes:core/v1:Namespace").inputs["metadata"] as {
      labels: Record<string, string>;
    };
    assert.equal(labels["pod-security.kubernetes.io/enforce"], "privileged");
    assert.deepEqual(only(registrations, "kubernetes:core/v1:ResourceQuota").inputs["spec"], {
      hard: { "count/jobs.batch": "5000" },
    });
  });

  it("keeps the agent token secret, under a name that never changes", async () => {
    const registrations = await registrationsOf(() => new AgentsNamespace("agents", ARGS));
    const secret = only(registrations, "kubernetes:core/v1:Secret");
    assert.equal((secret.inputs["metadata"] as Record<string, unknown>)["name"], "buildkite-agent-token");
    assert.deepEqual(secret.inputs["stringData"], { token: "an-agent-token-of-the-tests" });
    assert.ok(secret.secretPaths.some((path) => path.startsWith("stringData")));
    for (const other of registrations.filter((it) => it !== secret)) {
      if (JSON.stringify(other.inputs).includes("an-agent-token-of-the-tests")) {
        assert.deepEqual(other.secretPaths, ["agentToken"], other.type);
      }
    }
  });

  it("lets nobody call a build pod, and build pods call everybody but the metadata server", async () => {
    const spec = only(
      await registrationsOf(() => new AgentsNamespace("agents", ARGS)),
      "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    ).inputs["spec"] as { ingress: unknown[]; egress: { to: { ipBlock: { except?: string[] } }[] }[] };
    assert.deepEqual(spec.ingress, []);
    assert.deepEqual(spec.egress[0]?.to[0]?.ipBlock.except, ["169.254.169.252/32", "169.254.169.254/32"]);
    // An ipBlock does not hold pods where Cilium enforces: without this there is no cluster DNS.
    assert.deepEqual(spec.egress[0].to.at(2), { namespaceSelector: {} });
  });

  it("lets build pods ask the metadata address for names, which GKE's Cloud DNS answers there, and for nothing else", async () => {
    const { egress } = only(
      await registrationsOf(() => new AgentsNamespace("agents", ARGS)),
      "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    ).inputs["spec"] as { egress: { to: { ipBlock?: { cidr: string } }[] }[] };
    const address = "169.254.169.254/32";
    assert.deepEqual(
      egress.filter(({ to }) => to.some(({ ipBlock }) => ipBlock?.cidr === address)),
      [
        {
          to: [{ ipBlock: { cidr: address } }],
          ports: [
            { port: 53, protocol: "UDP" },
            { port: 53, protocol: "TCP" },
          ],
        },
      ],
    );
  });

  it("lets build pods call the metadata server where Workload Identity needs it", async () => {
    const spec = only(
      await registrationsOf(() => new AgentsNamespace("agents", { ...ARGS, metadataServer: true })),
      "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    ).inputs["spec"] as { egress: { to: { ipBlock: { except?: string[] } }[] }[] };
    assert.equal(spec.egress[0]?.to[0]?.ipBlock.except, undefined);
    assert.equal(spec.egress.length, 1, "the one rule holds all ports");
  });

  it("lets nothing evict a running build: a budget over all build pods that is never met", async () => {
    const registrations = await registrationsOf(() => new AgentsNamespace("agents", ARGS));
    const { metadata, spec } = only(registrations, "kubernetes:policy/v1:PodDisruptionBudget").inputs as {
      metadata: { namespace: string };
      spec: { minAvailable: unknown; selector: { matchLabels: Record<string, string> } };
    };
    assert.equal(metadata.namespace, "ci-agents");
    // A percentage, or maxUnavailable, needs a controller with a scale subresource: a Job has none.
    assert.deepEqual(Object.keys(spec).sort(), ["minAvailable", "selector"]);
    assert.ok(Number.isInteger(spec.minAvailable) && Number(spec.minAvailable) > 100_000, "more than jobQuota allows");
    const template = { metadata: { name: "linux", namespace: "ci-agents" }, template: { spec: {} } };
    const annotations = { [ACTIVE_DEADLINE_ANNOTATION]: "60", [TTL_ANNOTATION]: "60" };
    const job = stamp(
      { ...template, metadata: { ...template.metadata, annotations } },
      { uuid: "01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11", queue: "linux", pipeline: "web" },
    );
    const { labels } = (job.spec["template"] as { metadata: { labels: Record<string, string> } }).metadata;
    const selected = Object.entries(spec.selector.matchLabels);
    assert.ok(selected.length > 0 && selected.every(([key, value]) => labels[key] === value), "stamped pods carry it");
  });

  it("gives git a key that ends in a line's end, and known hosts beside it", async () => {
    let component: AgentsNamespace | undefined;
    const registrations = await registrationsOf(() => {
      component = new AgentsNamespace("agents", { ...ARGS, gitSshKey: pulumi.secret("a-key"), gitKnownHosts: "hosts" });
    });
    assert.deepEqual(component?.gitCredentials, {
      type: "ssh",
      secret: "buildkite-git-credentials",
      knownHostsKey: "known_hosts",
    });
    assert.deepEqual(only(registrations, "kubernetes:core/v1:Secret", "agents-git-credentials").inputs["stringData"], {
      "ssh-privatekey": "a-key\n",
      known_hosts: "hosts",
    });
  });

  const refused: [string, Partial<AgentsNamespaceArgs>, RegExp][] = [
    ["a name that is none", { namespace: "CI" }, /namespace must be a DNS label/],
    ["two kinds of git credentials", { gitSshKey: "a", gitHttpsCredentials: "b" }, /gitSshKey must be unset/],
    ["known hosts without a key", { gitKnownHosts: "hosts" }, /gitKnownHosts needs gitSshKey/],
    ["a quota that stops everything", { jobQuota: 1 }, /jobQuota must be a whole number from 10/],
  ];
  for (const [what, args, message] of refused) {
    it(`refuses ${what} before it creates anything`, async () => {
      const registrations = await registrationsOf(() => {
        assert.throws(() => new AgentsNamespace("agents", { ...ARGS, ...args }), message);
      });
      assert.equal(registrations.filter(({ type }) => type.startsWith("kubernetes:")).length, 0);
    });
  }
});
