import assert from "node:assert/strict";
import { AgentNodePool } from "../../components";
import { AgentsNamespace } from "../../components/agents-namespace";
import { templateArgsOf } from "../../stack/queue-template";
import { registrationsOf } from "../support/mocks";

describe("a queue's template", () => {
  it("takes what must agree from the pool and the namespace, and the rest from the stack", async () => {
    await registrationsOf(() => {
      const agents = new AgentsNamespace("agents", { namespace: "ci-agents", agentToken: "x", gitSshKey: "k" });
      const pool = new AgentNodePool("agents", { cluster: "c", location: "l", project: "p", maxNodes: 1 });
      const args = templateArgsOf({ key: "My_Queue", timeoutMinutes: 2, pendingLimitMinutes: 3 }, agents, pool);
      assert.deepEqual(args.nodeSelector, pool.nodeSelector);
      assert.deepEqual(args.tolerations, pool.tolerations);
      assert.ok((args.tolerations ?? []).length > 0);
      assert.deepEqual(args.agentToken, agents.agentToken);
      assert.deepEqual(args.gitCredentials, { type: "ssh", secret: "buildkite-git-credentials" });
      assert.equal(args.serviceAccountName, "buildkite-agent");
      assert.equal(args.queue, "My_Queue");
      assert.match(args.templateName, /^my-queue-[0-9a-f]{8}$/);
      assert.deepEqual([args.timeoutSeconds, args.pendingLimitSeconds], [120, 180]);
    });
  });

  it("passes on every key that a queue may have", async () => {
    await registrationsOf(() => {
      const agents = new AgentsNamespace("agents", { namespace: "ci-agents", agentToken: "x" });
      const own = {
        tags: { docker: "true" },
        agentMode: "queue",
        sidecar: "native",
        innerCgroups: "pod",
        agentImage: "agent:1.0.0",
        dindImage: "dind:1.0.0",
        resources: { agent: { cpu: "1", memory: "1Gi" }, dind: { cpu: "1", memory: "1Gi" } },
        terminationGracePeriodSeconds: 30,
        env: { A: "1" },
        secretEnv: { B: { secret: "s", key: "k" } },
        hooksConfigMap: "hooks",
        serviceAccountName: "builder",
        imagePullSecrets: ["pull"],
        registryMirrors: ["https://mirror.example"],
        defaultAddressPools: [{ base: "10.0.0.0/8", size: 24 }],
        dockerGraphSizeLimit: "80Gi",
        buildsSizeLimit: "30Gi",
      } as const;
      const args = templateArgsOf(structuredClone({ key: "a", ...own }) as never, agents, undefined);
      assert.deepEqual(Object.fromEntries(Object.keys(own).map((key) => [key, args[key as keyof typeof args]])), own);
      assert.equal(args.nodeSelector, undefined, "no pool, no selector");
      assert.equal(args.tolerations, undefined);
    });
  });
});
