import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { exampleText } from "../../lab/estimate/example";
import { parseHistory } from "../../lab/estimate/history-file";
import { HistoryError } from "../../lab/estimate/history";
import { ScriptedServer } from "../support/scripted-server";

const ROOT = join(__dirname, "..", "..");

const JOB = {
  type: "script",
  agent_query_rules: ["queue=linux", "docker=true"],
  scheduled_at: "2026-11-20T03:24:41.085Z",
  runnable_at: "2026-11-20T03:24:44.000Z",
  started_at: "2026-11-20T03:24:50.500Z",
  finished_at: "2026-11-20T03:26:50.500Z",
};
const PARSED = {
  queue: "linux",
  runnableAt: Date.UTC(2026, 10, 20, 3, 24, 44),
  durationMs: 120_000,
  waitedMs: 6_500,
};

const read = (value: unknown) => parseHistory(JSON.stringify(value), "builds.json");
const refused = (value: unknown, pattern: RegExp): void => {
  assert.throws(
    () => read(value),
    (error: unknown) => error instanceof HistoryError && pattern.test(error.message),
  );
};

/** Types the documented blocks into a shell, and the token after the first, with a server that answers with these pages. */
async function exported(pages: readonly unknown[]) {
  const server = await ScriptedServer.start();
  server.answer = ({ query }) => {
    const page = pages[Number(query["page"]) - 1];
    return page === undefined ? { status: 500 } : { body: page };
  };
  const folder = await mkdtemp(join(tmpdir(), "estimate-"));
  try {
    const document = readFileSync(join(ROOT, "docs", "estimate.md"), "utf8");
    const blocks = [...document.matchAll(/```sh\n([^]*?)```/g)].map(([, block = ""]) => block);
    const first = blocks.findIndex((block) => block.startsWith("read -rs "));
    const [ask = "", fetch = ""] = first < 0 ? [] : blocks.slice(first, first + 2);
    const commands = fetch
      .replace(/^npm run estimate.*\n/m, "")
      .replace("https://api.buildkite.com", server.url)
      // Each new try waits longer; that is curl's own matter.
      .replace("--retry 5 ", "");
    const child = spawn("bash", [], { cwd: folder, stdio: ["pipe", "inherit", "pipe"] });
    child.stdin.end(`${ask}bkua_secret\n${commands}`);
    const [complaints] = await Promise.all([text(child.stderr), once(child, "exit")]);
    return { lines: readFileSync(join(folder, "builds.jsonl"), "utf8"), complaints, seen: server.seen };
  } finally {
    await rm(folder, { recursive: true });
    await server.stop();
  }
}

describe("the estimate's history", () => {
  it("takes builds with their jobs, jobs, one build, and JSON lines of all of these", () => {
    const build = { number: 1, jobs: [JOB] };
    assert.deepEqual(read([build]).jobs, [PARSED]);
    assert.deepEqual(read([JOB]).jobs, [PARSED]);
    assert.deepEqual(read(build).jobs, [PARSED]);
    const lines = [JSON.stringify(build), "", JSON.stringify(JOB), JSON.stringify([build, JOB])].join("\n");
    assert.deepEqual(parseHistory(lines, "builds.jsonl").jobs, [PARSED, PARSED, PARSED, PARSED]);
    assert.deepEqual(parseHistory(JSON.stringify([build], undefined, 2), "pretty.json").jobs, [PARSED]);
  });

  it("puts jobs in the order in which they became runnable", () => {
    const later = { ...JOB, runnable_at: "2026-11-20T03:24:46Z" };
    assert.deepEqual(
      read([later, JOB]).jobs.map(({ waitedMs }) => waitedMs),
      [6_500, 4_500],
    );
  });

  it("reads the other spelling of times, and takes scheduled_at or created_at where runnable_at is not set", () => {
    const utc = { ...JOB, runnable_at: "2026-11-20 03:24:44 UTC" };
    assert.deepEqual(read([utc]).jobs, [PARSED]);
    const [scheduled] = read([{ ...JOB, runnable_at: null }]).jobs;
    assert.equal(scheduled?.waitedMs, 9_415);
    const [created] = read([{ ...JOB, runnable_at: null, scheduled_at: undefined, created_at: JOB.scheduled_at }]).jobs;
    assert.equal(created?.waitedMs, 9_415);
  });

  it("takes a job without rules or without a queue among them as one of the default queue", () => {
    for (const agent_query_rules of [[], ["*"], ["docker=true"], null, undefined]) {
      assert.equal(read([{ ...JOB, agent_query_rules }]).jobs[0]?.queue, "default");
    }
  });

  it("never makes a job wait less than nothing: clocks differ", () => {
    const [job] = read([{ ...JOB, runnable_at: "2026-11-20T03:24:51Z" }]).jobs;
    assert.equal(job?.waitedMs, 0);
    assert.equal(job.durationMs, 120_000);
  });

  it("leaves out, and counts, what no agent ran", () => {
    const { jobs, leftOut } = read([
      JOB,
      { type: "waiter" },
      { type: "manual" },
      { ...JOB, started_at: null, finished_at: null },
      { ...JOB, finished_at: null },
    ]);
    assert.equal(jobs.length, 1);
    assert.deepEqual(leftOut, {
      "not a command step (waiter, manual, trigger)": 2,
      "never started": 1,
      "not finished": 1,
    });
  });

  it("names entry, field, rule and value of what is wrong", () => {
    refused([JOB, 7], /^builds\.json\[1\] must be a build or a job \(an object\), got 7$/);
    refused([{ jobs: 3 }], /^builds\.json\[0\]\.jobs must be an array of jobs, got 3$/);
    refused([{ jobs: [JOB, null] }], /^builds\.json\[0\]\.jobs\[1\] must be a job/);
    refused([{ ...JOB, type: undefined }], /^builds\.json\[0\]\.type must be .* got nothing$/);
    refused(
      [{ jobs: [JOB, { ...JOB, started_at: "yesterday" }] }],
      /^builds\.json\[0\]\.jobs\[1\]\.started_at must be a time .* got "yesterday"$/,
    );
    refused([{ ...JOB, started_at: 1_700_000_000 }], /started_at must be a time .* got 1700000000$/);
    refused(
      [{ ...JOB, finished_at: "2026-11-20T03:24:00Z" }],
      /finished_at must not be before started_at, got .* and /,
    );
    refused([{ ...JOB, agent_query_rules: "queue=linux" }], /agent_query_rules must be an array of strings/);
    refused([{ ...JOB, runnable_at: null, scheduled_at: null }], /runnable_at must be a time .* got null$/);
    refused([{ ...JOB, type: "x".repeat(500), started_at: null }, { type: "waiter" }], /at least one job that ran/);
  });

  it("says what a text is that is neither JSON nor JSON lines, and which line is not", () => {
    assert.throws(
      () => parseHistory("<html>", "page.html"),
      /^HistoryError: |page\.html must be JSON .* begins "<html>"/,
    );
    const lines = `${JSON.stringify(JOB)}\n{"type":\n`;
    assert.throws(() => parseHistory(lines, "cut.jsonl"), /cut\.jsonl, line 2 must be JSON, got "\{\\"type\\":"/);
    assert.throws(() => parseHistory("[]", "empty.json"), /empty\.json must have at least one job that ran/);
  });

  it("says how far it is in a long file", () => {
    const heard: string[] = [];
    const lines = Array.from({ length: 40_001 }, () => JSON.stringify(JOB)).join("\n");
    parseHistory(lines, "long.jsonl", (line) => heard.push(line));
    assert.deepEqual(heard, ["20000 entries read", "40000 entries read"]);
  });

  it("is had by the commands in docs/estimate.md, page by page, with nothing of a job but times and queue", async function () {
    const missing = ["bash", "curl", "jq"].find((tool) => spawnSync(tool, ["--version"]).status !== 0);
    if (missing !== undefined) {
      Object.assign(this, { skipReason: `${missing} is not on PATH` });
      return this.skip();
    }
    const page = [{ number: 7, message: "private", jobs: [{ ...JOB, command: "private", env: { KEY: "private" } }] }];
    const { lines, complaints, seen } = await exported([page, page, []]);
    assert.deepEqual(parseHistory(lines, "builds.jsonl").jobs, [PARSED, PARSED]);
    assert.doesNotMatch(lines, /private/);
    assert.equal(complaints, "");
    assert.deepEqual(
      seen.map(({ path, query, headers }) => [path, query["page"], query["per_page"], headers.authorization]),
      [1, 2, 3].map((number) => ["/v2/organizations/acme-inc/builds", String(number), "100", "Bearer bkua_secret"]),
    );
    const cut = await exported([page]);
    assert.match(cut.complaints, /page 2 could not be had: builds\.jsonl is not complete/);
  });

  it("has an example that is what its generator makes", () => {
    const example = readFileSync(join(ROOT, "docs", "estimate-example.json"), "utf8");
    assert.equal(example, exampleText());
    assert.equal(parseHistory(example, "example").jobs.length, 432);
  });
});
