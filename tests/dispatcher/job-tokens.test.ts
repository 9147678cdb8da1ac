import assert from "node:assert/strict";
import { jobName, JOB_UUID, MANAGED_BY_LABEL, PROJECT } from "../../components/contract";
import { FakeBuildkite, type FakeJob } from "../../lab/buildkite";
import { DispatcherBench, type LocalDispatcher, type ObservedPod } from "../support/dispatchers";
import { FaultProxy } from "../../lab/fault-proxy";
import {
  allowTokenReviews,
  askForJobToken,
  JOB_TOKENS_TLS,
  type JobTokenReply,
  projectedToken,
} from "../support/job-token-requests";
import { until } from "../support/until";
import { SECRET, send } from "../support/webhooks";

const TOKEN = "bkct_of_the_job_token_tests";
const PATIENCE = { canceledIntervalMs: 300, leftoverMs: 2000 };

describe("job acquisition tokens", () => {
  let bench: DispatcherBench;
  let fake: FakeBuildkite;
  let forbid: () => Promise<void>;

  beforeEach(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("job-tokens");
    forbid = await allowTokenReviews(bench.client, bench.agents.namespace);
    fake = new FakeBuildkite({ agentToken: TOKEN, webhookSecret: SECRET, seed: 9, queues: ["k8s"] });
    await fake.start();
    await until("service account default", () =>
      bench.find(`/api/v1/namespaces/${bench.agents.namespace}/serviceaccounts/default`),
    );
  });

  afterEach(async () => {
    await bench.remove();
    await forbid();
    await fake.stop();
    assert.deepEqual(fake.violations(), [], "the real API would have refused this");
  });

  const start = (server?: string): Promise<LocalDispatcher> =>
    bench.start({
      ...{ server, patience: PATIENCE },
      reconcile: { endpoint: `${fake.url}/v3`, tokens: [TOKEN], inFlight: 50, jobTokens: JOB_TOKENS_TLS },
    });
  const portOf = ({ jobTokensPort }: LocalDispatcher): number => {
    assert.ok(jobTokensPort !== undefined);
    return jobTokensPort;
  };
  const ask = (dispatcher: LocalDispatcher, token: string): Promise<JobTokenReply> =>
    askForJobToken(portOf(dispatcher), token);
  const tokenFor = (pod: ObservedPod): Promise<string> =>
    projectedToken(bench.client, bench.agents.namespace, pod.metadata);
  const podOf = (job: FakeJob): Promise<ObservedPod> =>
    until(`a pod of ${job.id}`, async () => (await bench.pods(job.id))[0]);
  const podPath = (pod: ObservedPod): string => `${bench.agents.podsPath}/${pod.metadata.name}`;
  const metric = async ({ operationsUrl }: LocalDispatcher, pattern: RegExp): Promise<number> =>
    Number(pattern.exec((await send(`${operationsUrl}/metrics`)).text)?.[1] ?? 0);
  const refusedWith = (reply: JobTokenReply, status: number, words: RegExp): void => {
    assert.match(reply.text, words);
    assert.equal(reply.status, status);
    assert.doesNotMatch(reply.text, /bkjat_/);
  };
  /** A pod nobody's controller made, with what is asked for beside the least a pod needs. */
  const handMade = (metadata: object): Promise<ObservedPod> =>
    bench.client.request<ObservedPod>("POST", bench.agents.podsPath, {
      body: { metadata: { generateName: "by-hand-", ...metadata }, spec: { containers: [{ name: "a", image: "a" }] } },
    });
  const marks = (uuid: string): object => ({
    labels: { [MANAGED_BY_LABEL]: PROJECT, [JOB_UUID]: uuid },
    annotations: { [JOB_UUID]: uuid },
  });
  /** An agent registers with a token; returns its access token. */
  const register = async (token: string): Promise<string> => {
    const body = JSON.stringify({
      name: "a",
      version: "3.138.1",
      meta_data: ["queue=k8s"],
      ignore_in_dispatches: true,
    });
    const headers = { authorization: `Token ${token}`, "content-type": "application/json" };
    const reply = await fetch(`${fake.url}/v3/register`, { method: "POST", headers, body });
    assert.equal(reply.status, 200);
    return String(((await reply.json()) as Record<string, unknown>)["access_token"]);
  };
  const acquire = async (access: string, job: FakeJob): Promise<number> => {
    const headers = {
      ...{ authorization: `Token ${access}`, "x-buildkite-lock-acquire-job": "1", "x-buildkite-backoff-sequence": "0" },
    };
    await fetch(`${fake.url}/v3/connect`, { method: "POST", headers });
    return (await fetch(`${fake.url}/v3/jobs/${job.id}/acquire`, { method: "PUT", headers })).status;
  };

  it("gives a pod the token of its own job, reserved in that moment and not before, and says it nowhere else", async () => {
    const [job, other] = [fake.schedule({ queue: "k8s" }), fake.schedule({ queue: "k8s" })];
    const dispatcher = await start();
    const pod = await podOf(job);
    await podOf(other);
    assert.equal(job.state, "scheduled", "nothing is reserved for a pod that has not asked");
    const presented = await tokenFor(pod);
    const reply = await ask(dispatcher, presented);
    assert.equal(reply.status, 200);
    assert.match(reply.text, /^bkjat_/);
    assert.equal(job.state, "reserved");
    assert.equal(other.state, "scheduled");
    const access = await register(reply.text);
    assert.equal(await acquire(access, other), 422, "of another job it is no token");
    assert.equal(await acquire(access, job), 200);
    const line = dispatcher.log.find(({ event }) => event === "job token issued");
    assert.equal(line?.["uuid"], job.id);
    const metrics = (await send(`${dispatcher.operationsUrl}/metrics`)).text;
    for (const secret of [reply.text, presented, TOKEN]) {
      assert.ok(!JSON.stringify(dispatcher.log).includes(secret) && !metrics.includes(secret));
    }
    assert.match(metrics, /^buildkite_dispatcher_job_token_requests_total\{outcome="issued"\} 1$/m);
  });

  it("costs three Kubernetes calls a pod, and two Buildkite calls however many pods ask at once", async () => {
    const jobs = Array.from({ length: 12 }, () => fake.schedule({ queue: "k8s" }));
    const dispatcher = await start();
    const tokens = await Promise.all(jobs.map(async (job) => tokenFor(await podOf(job))));
    const calls = (verb: string, resource: string): Promise<number> => {
      const labels = `verb="${verb}",resource="${resource}",code="200"`;
      return metric(dispatcher, new RegExp(`kubernetes_request_seconds_count\\{${labels}\\} (\\d+)`));
    };
    const before = await calls("get", "pods");
    const replies = await Promise.all(tokens.map((token) => ask(dispatcher, token)));
    assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([200]));
    assert.equal(new Set(replies.map(({ text }) => text)).size, jobs.length);
    assert.equal(await calls("create", "tokenreviews"), jobs.length);
    assert.equal((await calls("get", "pods")) - before, jobs.length);
    const reserves = await metric(dispatcher, /buildkite_request_seconds_count\{call="reserve",code="200"\} (\d+)/);
    assert.ok(reserves >= 1 && reserves <= 3, `${reserves} reserve calls for ${jobs.length} pods`);
  });

  it("believes only what the API server vouches for", async () => {
    const [job, other] = [fake.schedule({ queue: "k8s" }), fake.schedule({ queue: "k8s" })];
    const dispatcher = await start();
    const [pod, second] = [await podOf(job), await podOf(other)];
    const { namespace } = bench.agents;
    const wrongAudience = await projectedToken(bench.client, namespace, pod.metadata, "somebody-else");
    refusedWith(await ask(dispatcher, wrongAudience), 401, /^no service account token of a build pod/);
    const unbound = await projectedToken(bench.client, namespace, undefined);
    refusedWith(await ask(dispatcher, unbound), 401, /^no service account token of a build pod/);
    refusedWith(await ask(dispatcher, "bkct_anything"), 401, /^no service account token of a build pod/);
    refusedWith(await ask(dispatcher, bench.agents.token), 401, /^no service account token of a build pod/);
    assert.equal(
      await metric(dispatcher, /seconds_count\{verb="create",resource="tokenreviews",code="\w+"\} (\d+)/),
      0,
      "not even asked about",
    );

    // The claims of another pod under this one's signature, and another audience's token that says it is for us.
    const forge = (token: string, change: (claims: Record<string, unknown>) => void): string => {
      const [head, payload = "", signature] = token.split(".");
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
      change(claims);
      return [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
    };
    const forgedUid = forge(await tokenFor(pod), (claims) => {
      const bound = claims["kubernetes.io"] as { pod: { name: string; uid: string } };
      bound.pod = { name: second.metadata.name, uid: second.metadata.uid };
    });
    const forgedAudience = forge(wrongAudience, (claims) => (claims["aud"] = [PROJECT]));
    for (const forged of [forgedUid, forgedAudience]) {
      const reply = await until("a judgement", async () => {
        const one = await ask(dispatcher, forged);
        return one.status === 429 ? undefined : one;
      });
      refusedWith(reply, 401, /^the API server does not accept/);
    }
    assert.deepEqual([job.state, other.state], ["scheduled", "scheduled"]);
  });

  it("turns away an address that sent a wrong token, for a while, without asking about the next", async () => {
    const dispatcher = await start();
    const pod = await podOf(fake.schedule({ queue: "k8s" }));
    const good = await tokenFor(pod);
    const bad = `${good.slice(0, good.lastIndexOf("."))}.${"A".repeat(342)}`;
    const replies = await Promise.all(Array.from({ length: 100 }, () => ask(dispatcher, bad)));
    const asked = replies.filter(({ status }) => status === 401).length;
    // Eight at one time; on a busy machine the flood may outlast the hold, and then there are eight more.
    assert.ok(asked >= 1 && asked <= 24, `${asked} of 100 were asked about`);
    assert.ok(replies.every(({ status, retryAfter }) => status === 401 || (status === 429 && retryAfter === "2")));
    const reply = await until("the end of it", async () => {
      const one = await ask(dispatcher, good);
      return one.status === 200 ? one : undefined;
    });
    assert.match(reply.text, /^bkjat_/);
    const lines = dispatcher.log.filter(({ event }) => event === "job token refused");
    assert.ok(lines.length < 20, "a flood is a number, not a log");
  });

  it("gives nothing to a pod of another namespace, of a foreign Job, or of two minds", async () => {
    const [job, other] = [fake.schedule({ queue: "k8s" }), fake.schedule({ queue: "k8s" })];
    const dispatcher = await start();
    const own = await podOf(job);
    await podOf(other);
    const elsewhere = `${bench.agents.namespace}-other`;
    const spec = { containers: [{ name: "a", image: "a" }] };
    await bench.client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: elsewhere } } });
    try {
      await until("its service account", () => bench.find(`/api/v1/namespaces/${elsewhere}/serviceaccounts/default`));
      const pod = await bench.client.request<ObservedPod>("POST", `/api/v1/namespaces/${elsewhere}/pods`, {
        body: { metadata: { name: own.metadata.name, ...marks(job.id) }, spec },
      });
      const token = await projectedToken(bench.client, elsewhere, pod.metadata);
      refusedWith(await ask(dispatcher, token), 401, /^no service account token of a build pod/);
    } finally {
      await bench.client.request("DELETE", `/api/v1/namespaces/${elsewhere}`);
    }
    const jobUid = (await bench.job(job.id))?.metadata.uid;
    const ownedBy = (name: string, uid: string | undefined): object => ({
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid, controller: true }],
    });
    const foreign = await bench.client.request<ObservedPod>("POST", bench.agents.jobsPath, {
      body: { metadata: { name: "foreign" }, spec: { template: { spec: { ...spec, restartPolicy: "Never" } } } },
    });
    const cases: [object, RegExp][] = [
      [{}, /^the pod was not made for a build/],
      [marks(job.id), /^the pod was not made for a build/],
      // Owned by the one job's Job, marked as the other's.
      [{ ...marks(other.id), ...ownedBy(jobName(job.id), jobUid) }, /^the pod does not belong to a live Job/],
      [{ ...marks(job.id), ...ownedBy("foreign", foreign.metadata.uid) }, /^the pod does not belong to a live Job/],
    ];
    for (const [metadata, words] of cases) {
      refusedWith(await ask(dispatcher, await tokenFor(await handMade(metadata))), 403, words);
    }
    assert.deepEqual([job.state, other.state], ["scheduled", "scheduled"]);
  });

  it("gives nothing to a pod that is past its start, gone, or followed by another of its name", async () => {
    const [job, gone] = [fake.schedule({ queue: "k8s" }), fake.schedule({ queue: "k8s" })];
    const dispatcher = await start();
    const [pod, dead] = [await podOf(job), await podOf(gone)];
    const [token, deadToken] = [await tokenFor(pod), await tokenFor(dead)];
    await bench.startAgent(job.id);
    refusedWith(await ask(dispatcher, token), 403, /^the pod is past its start/);
    await bench.finishJob(job.id);
    refusedWith(await ask(dispatcher, token), 403, /^the pod is past its start/);
    const { name } = dead.metadata;
    await bench.client.request("DELETE", podPath(dead), { body: { gracePeriodSeconds: 0 } });
    // Its Job's controller keeps it for a moment.
    await until("the name to be free", async () =>
      handMade({ name, generateName: undefined, ...marks(gone.id) }).catch(() => undefined),
    );
    const reply = await ask(dispatcher, deadToken);
    assert.ok(reply.status === 401 || reply.status === 403, "the API server may remember the pod for a moment");
    assert.doesNotMatch(reply.text, /bkjat_/);
    assert.equal(job.state, "scheduled");
  });

  it("gives a pod three tokens at most, and none once its job has an agent", async () => {
    const [job, taken] = [fake.schedule({ queue: "k8s" }), fake.schedule({ queue: "k8s" })];
    const dispatcher = await start();
    const token = await tokenFor(await podOf(job));
    for (let round = 0; round < 3; round++) {
      assert.equal((await ask(dispatcher, token)).status, 200);
    }
    refusedWith(await ask(dispatcher, token), 403, /^this pod has had as many tokens/);
    const takenToken = await tokenFor(await podOf(taken));
    const first = await ask(dispatcher, takenToken);
    assert.equal(await acquire(await register(first.text), taken), 200);
    refusedWith(await ask(dispatcher, takenToken), 409, /^Buildkite says that the build's job is not to be run/);
  });

  it("gives nothing for a canceled job, and its Job goes as ever", async () => {
    const job = fake.schedule({ queue: "k8s" });
    const dispatcher = await bench.start({
      patience: { canceledIntervalMs: 3_600_000 },
      reconcile: { endpoint: `${fake.url}/v3`, tokens: [TOKEN], inFlight: 5, jobTokens: JOB_TOKENS_TLS },
    });
    const token = await tokenFor(await podOf(job));
    assert.equal((await ask(dispatcher, token)).status, 200);
    fake.cancel(job.id);
    refusedWith(await ask(dispatcher, token), 409, /^Buildkite says that the build's job is not to be run/);
    await start();
    await until("the end of its Job", async () => (await bench.job(job.id)) === undefined);
  });

  it("does not take a token that is not issued for a token, and gives it when it is", async () => {
    const job = fake.schedule({ queue: "k8s" });
    const dispatcher = await start();
    const token = await tokenFor(await podOf(job));
    await fake.setFaults({ notIssuedShare: 1 });
    const reply = await ask(dispatcher, token);
    refusedWith(reply, 503, /^Buildkite gives the job to nobody just now/);
    assert.equal(reply.retryAfter, "15");
    await fake.setFaults({ notIssuedShare: 0 });
    assert.equal((await ask(dispatcher, token)).status, 200);
  });

  it("asks for patience while Buildkite is away or too busy, and for none when it refuses", async function () {
    this.timeout(90_000);
    const job = fake.schedule({ queue: "k8s" });
    const dispatcher = await start();
    const token = await tokenFor(await podOf(job));
    await fake.setFaults({ outage: "unavailable" });
    const away = await ask(dispatcher, token);
    refusedWith(away, 503, /^Buildkite cannot be asked just now/);
    assert.equal(away.retryAfter, "10");
    await fake.setFaults({ outage: "none", tooManyRequests: true });
    refusedWith(await ask(dispatcher, token), 503, /^Buildkite cannot be asked just now/);
    await fake.setFaults({ tooManyRequests: false, tokenRevoked: true });
    refusedWith(await ask(dispatcher, token), 403, /^Buildkite refuses to give out a token/);
    await fake.setFaults({ tokenRevoked: false });
    assert.equal(job.state, "scheduled");
    assert.equal((await ask(dispatcher, token)).status, 200);
  });

  it("gives nothing while the API server is away, or without the right to ask it", async () => {
    const job = fake.schedule({ queue: "k8s" });
    const proxy = await FaultProxy.start(bench.controlPlane.adminKubeconfig);
    try {
      const dispatcher = await start(proxy.url);
      const token = await tokenFor(await podOf(job));
      proxy.onRequest = ({ method }) => (method === "POST" ? "cut-before" : "pass");
      refusedWith(await ask(dispatcher, token), 503, /^the API server cannot be asked/);
      proxy.onRequest = ({ method, path }) => (method === "GET" && path.includes("/pods/") ? "cut-before" : "pass");
      refusedWith(await ask(dispatcher, token), 503, /^the API server cannot be asked/);
      proxy.onRequest = () => "pass";
      await forbid();
      forbid = () => Promise.resolve();
      const reply = await until("the right to be gone", async () => {
        const one = await ask(dispatcher, token);
        return one.status === 200 ? undefined : one;
      });
      refusedWith(reply, 503, /^the API server cannot be asked/);
    } finally {
      await proxy.stop();
    }
  });

  it("makes the next attempt when a pod dies between its token and its job, once the reservation is over", async () => {
    const job = fake.schedule({ queue: "k8s" });
    const dispatcher = await start();
    assert.equal((await ask(dispatcher, await tokenFor(await podOf(job)))).status, 200);
    await bench.finishJob(job.id, "Failed");
    assert.ok(job.reservation !== undefined && job.reservation.expiresAt > Date.now() + 500_000);
    job.reservation = { ...job.reservation, expiresAt: Date.now() };
    const next = await until("the next attempt", async () => {
      const found = await bench.job(job.id);
      return found?.metadata.annotations?.["buildkite-scale-to-zero/attempt"] === "2" ? found : undefined;
    });
    const pod = await until("its pod", async () =>
      (await bench.pods(job.id)).find(({ metadata }) => metadata.ownerReferences?.[0]?.uid === next.metadata.uid),
    );
    assert.equal((await ask(dispatcher, await tokenFor(pod))).status, 200);
  });
});
