import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeBuildkite, logOf, type FakeJob } from "../../lab/buildkite";
import { GitServer } from "../../lab/git";
import { getParts } from "../../lab/parts";
import { until } from "../support/until";

/** The real agent, on loopback and without Kubernetes: what the fake and the facts about the agent rest on. */
describe("the real buildkite-agent and the fake Buildkite", function () {
  this.timeout(60_000);
  let agent: string;
  let folder: string;
  let buildkite: FakeBuildkite;
  const git = new GitServer();
  const running = new Set<ChildProcess>();

  before(async function () {
    if (process.platform !== "linux") {
      this.skip();
    }
    this.timeout(900_000);
    agent = (await getParts(["buildkite-agent"], { print: () => undefined }))["buildkite-agent"].path;
    await git.start();
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-agent-"));
    const intervals = { ping: 1, jobStatus: 1, heartbeat: 1 };
    buildkite = new FakeBuildkite({ agentToken: "a-token", webhookSecret: "s", seed: 1, intervals });
    await buildkite.start();
  });

  afterEach(async () => {
    for (const child of running) {
      child.kill("SIGKILL");
    }
    await until("the agents to end", () => running.size === 0);
    await buildkite.stop();
    await rm(folder, { recursive: true, force: true });
  });

  after(async () => {
    await git.stop();
  });

  /** Starts it as the template does: by environment alone. */
  function start(environment: Record<string, string>): { child: ChildProcess; ended: Promise<number | null> } {
    // A shell of mocha's may have SIGQUIT ignored, which children inherit.
    const child = spawn("env", ["--default-signal=QUIT,INT,TERM", agent, "start"], {
      cwd: folder,
      stdio: "ignore",
      env: {
        PATH: process.env["PATH"],
        HOME: folder,
        BUILDKITE_AGENT_TOKEN: "a-token",
        BUILDKITE_AGENT_ENDPOINT: `${buildkite.url}/v3`,
        BUILDKITE_AGENT_NAME: "agent-1",
        BUILDKITE_AGENT_TAGS: "queue=linux",
        BUILDKITE_AGENT_PING_MODE: "poll-only",
        BUILDKITE_BUILD_PATH: join(folder, "builds"),
        BUILDKITE_CANCEL_GRACE_PERIOD: "8",
        ...environment,
      },
    });
    running.add(child);
    const ended = new Promise<number | null>((resolve) => {
      child.once("close", (code) => {
        running.delete(child);
        resolve(code);
      });
    });
    return { child, ended };
  }

  const acquire = (job: FakeJob) => start({ BUILDKITE_AGENT_ACQUIRE_JOB: job.id });

  it("acquires its job, checks the repository out, runs the command and reports log and exit status", async () => {
    const commit = git.add("web", { "build.sh": "#!/bin/sh\necho built in $PWD\nexit 3\n", "docs/a.txt": "a\n" });
    const job = buildkite.schedule({
      ...{ queue: "linux", command: "./build.sh", repository: git.urlOf("web"), env: { MORE: "yes" } },
    });
    const { ended } = acquire(job);
    assert.equal(await ended, 0, "an acquiring agent's own exit says nothing about the build");
    const log = logOf(job);
    assert.deepEqual(job.result, { exitStatus: "3" }, log);
    assert.match(log, new RegExp(`^built in ${folder}/builds/agent-1/acme-inc/web$`, "m"));
    assert.match(log, new RegExp(commit.slice(0, 7)));
    assert.deepEqual((await readdir(join(folder, "builds/agent-1/acme-inc/web"))).sort(), [".git", "build.sh", "docs"]);
    const { scheduledAt, acquiredAt, startedAt, firstLogAt, finishedAt, agentDisconnectedAt } = job;
    const times = [scheduledAt, acquiredAt, startedAt, firstLogAt, finishedAt, agentDisconnectedAt];
    assert.deepEqual([...times].sort(), times);
    assert.deepEqual(buildkite.violations(), []);
  });

  it("exits 27 when its job is taken already, and when it was canceled before", async () => {
    const taken = buildkite.schedule({ queue: "linux", command: "sleep 5" });
    const first = acquire(taken);
    await until("the first agent to have it", () => taken.state === "running");
    assert.equal(await acquire(taken).ended, 27);
    assert.equal(taken.refusals, 1);
    first.child.kill("SIGKILL");

    const canceled = buildkite.schedule({ queue: "linux", command: "true" });
    buildkite.cancel(canceled.id);
    assert.equal(await acquire(canceled).ended, 27);
    assert.equal(canceled.starts, 0);
  });

  it("ends a running job that is canceled at Buildkite", async () => {
    const job = buildkite.schedule({ queue: "linux", command: "echo begun; sleep 60" });
    const { ended } = acquire(job);
    await until("the command to run", () => logOf(job).includes("begun"));
    buildkite.cancel(job.id);
    assert.equal(await ended, 0);
    assert.equal(job.state, "canceled");
    assert.deepEqual(job.result, { exitStatus: "-1", signal: "SIGTERM", signalReason: "cancel" });
  });

  it("tells Buildkite at once when SIGQUIT stops it, and signs off", async () => {
    const job = buildkite.schedule({ queue: "linux", command: "echo begun; sleep 60" });
    const { child, ended } = acquire(job);
    await until("the command to run", () => logOf(job).includes("begun"));
    const sent = Date.now();
    child.kill("SIGQUIT");
    assert.equal(await ended, 0);
    assert.deepEqual(job.result, { exitStatus: "-1", signal: "SIGTERM", signalReason: "agent_stop" });
    assert.ok((job.finishedAt ?? Infinity) - sent < 3_000, `${(job.finishedAt ?? 0) - sent} ms`);
    assert.ok(job.agentDisconnectedAt !== undefined);
  });

  it("finishes its job after one SIGTERM", async () => {
    const job = buildkite.schedule({ queue: "linux", command: "echo begun; sleep 3; echo ended" });
    const { child, ended } = acquire(job);
    await until("the command to run", () => logOf(job).includes("begun"));
    child.kill("SIGTERM");
    assert.equal(await ended, 0);
    assert.deepEqual(job.result, { exitStatus: "0" });
    assert.match(logOf(job), /^ended$/m);
  });

  it("ends by itself in queue mode, after one job and after the idle time-out", async () => {
    const queue = { BUILDKITE_AGENT_DISCONNECT_AFTER_JOB: "true", BUILDKITE_AGENT_DISCONNECT_AFTER_IDLE_TIMEOUT: "2" };
    const job = buildkite.schedule({ queue: "linux", command: "exit 1" });
    assert.equal(await start(queue).ended, 0);
    assert.deepEqual(job.result, { exitStatus: "1" });
    const began = Date.now();
    assert.equal(await start(queue).ended, 0);
    assert.ok(Date.now() - began >= 2_000);
    assert.equal(buildkite.agents().length, 2);
  });

  it("answers what a command inside the build asks the agent for", async () => {
    const command = [
      "set -e",
      "buildkite-agent meta-data set colour blue",
      'test "$(buildkite-agent meta-data get colour)" = blue',
      "buildkite-agent meta-data exists colour",
      "echo note | buildkite-agent annotate",
      "echo 'steps: []' | buildkite-agent pipeline upload --no-interpolation",
    ].join("\n");
    const job = buildkite.schedule({ queue: "linux", command });
    assert.equal(await acquire(job).ended, 0);
    assert.deepEqual(job.result, { exitStatus: "0" }, logOf(job));
    assert.deepEqual(buildkite.violations(), []);
  });
});
