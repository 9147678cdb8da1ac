import assert from "node:assert/strict";
import { JOB_TOKEN_PATH } from "../../components/contract";
import { JOB_TOKENS_CONFIG_MAP } from "../../components/job-token-source";
import { buildPodSpec } from "../../components/pod-spec";
import { SimulatedAgents } from "../../lab/agents";
import { FakeBuildkite } from "../../lab/buildkite";
import { kwokNode } from "../support/build-pods";
import { DispatcherBench } from "../support/dispatchers";
import { allowTokenReviews, JOB_TOKENS_TLS } from "../support/job-token-requests";
import { until } from "../support/until";
import { SECRET } from "../support/webhooks";

const TOKEN = "bkct_of_the_job_token_tests";

/** Dispatcher and API server are real; kubelet and agents are the lab's stand-ins. */
describe("builds with job acquisition tokens", function () {
  this.timeout(120_000);

  it("run, each once, in a namespace without any Secret; what cannot have a token now has one later", async () => {
    const bench = await DispatcherBench.create("job-tokens-agents");
    const { client, agents: fixture } = bench;
    const { namespace, templatePath } = fixture;
    const forbid = await allowTokenReviews(client, namespace);
    const fake = new FakeBuildkite({ agentToken: TOKEN, webhookSecret: SECRET, seed: 10, queues: ["k8s"] });
    await fake.start();
    const problems: unknown[] = [];
    const agents = new SimulatedAgents({
      ...{ client, buildkiteUrl: fake.url, namespaces: [namespace], timeScale: 10 },
      onError: (error) => problems.push(error),
    });
    try {
      await kwokNode(client, `${namespace}-node`, namespace);
      await agents.start();
      const dispatcher = await bench.start({
        reconcile: { endpoint: `${fake.url}/v3`, tokens: [TOKEN], inFlight: 20, jobTokens: JOB_TOKENS_TLS },
      });
      const ca = { metadata: { name: JOB_TOKENS_CONFIG_MAP }, data: { "ca.crt": JOB_TOKENS_TLS.cert } };
      await client.request("POST", `/api/v1/namespaces/${namespace}/configmaps`, { body: ca });
      const spec = buildPodSpec({
        ...{ namespace, templateName: "k8s", queue: "k8s" },
        jobAcquisitionTokens: {
          url: `https://127.0.0.1:${dispatcher.jobTokensPort ?? 0}${JOB_TOKEN_PATH}`,
          caConfigMap: JOB_TOKENS_CONFIG_MAP,
        },
        resources: { agent: { cpu: "50m", memory: "64Mi" }, dind: { cpu: "50m", memory: "64Mi" } },
        nodeSelector: { pool: namespace },
        tolerations: [{ key: "pool", operator: "Equal", value: namespace, effect: "NoSchedule" }],
      });
      const template = await client.request<{ template: object }>("GET", templatePath);
      const body = { ...template, template: { ...template.template, spec } };
      await client.request("PUT", templatePath, { body, query: { fieldValidation: "Strict" } });
      await until("the new template to be seen", () =>
        dispatcher.log.some(({ event, change }) => event === "template" && change !== "added"),
      );

      await fake.setFaults({ notIssuedShare: 0.3 });
      const jobs = Array.from({ length: 15 }, () => fake.schedule({ queue: "k8s", seconds: 0.2 }));
      await until("a pod that must ask again", () =>
        dispatcher.log.some(({ event, cause }) => event === "job token refused" && cause === "not_yet"),
      );
      await fake.setFaults({ notIssuedShare: 0 });
      await until("the end of all agents", () => jobs.every(({ id }) => agents.runs.has(id)), 60);
      for (const job of jobs) {
        assert.deepEqual([job.result?.exitStatus, job.starts, agents.runs.get(job.id)], ["0", 1, 1]);
        assert.ok(job.reservation !== undefined);
      }
      const secrets = await client.request<{ items: object[] }>("GET", `/api/v1/namespaces/${namespace}/secrets`);
      assert.deepEqual(secrets.items, []);
      assert.deepEqual(fake.violations(), []);
      assert.deepEqual(problems, []);
    } finally {
      await agents.stop();
      await bench.remove();
      await forbid();
      await fake.stop();
      await client.request("DELETE", `/api/v1/nodes/${namespace}-node`).catch(() => undefined);
    }
  });
});
