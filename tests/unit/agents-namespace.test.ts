import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { AgentsNamespace, type AgentsNamespaceArgs } from "../../components/agents-namespace";
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
