import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FakeBuildkite, WebhookDelivery } from "../../lab/buildkite";
import { needle } from "../../lab/leaks/needles";
import { webhookLatency } from "../../lab/results";
import { writeResults } from "../../lab/write-results";

const END = { failures: [], leftovers: [], phases: [], seconds: 1 };

describe("the lab's results", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("are written, and good when nothing failed", async () => {
    const results = await writeResults(folder, undefined, undefined, END, []);
    assert.equal(results.ok, true);
    assert.deepEqual(JSON.parse(await readFile(join(folder, "lab.json"), "utf8")), { ok: true, ...END });
  });

  it("say so when the run did not get far", async () => {
    const results = await writeResults(folder, undefined, undefined, { ...END, failures: ["interrupted"] }, []);
    assert.equal(results.ok, false);
    assert.match(await readFile(join(folder, "lab.json"), "utf8"), /"interrupted"/);
  });

  it("of a run that did not get far stand without an earlier run's report", async () => {
    for (const name of ["lab.html", "lab-run.json"]) {
      await writeFile(join(folder, name), "of an earlier run");
    }
    await writeResults(folder, undefined, undefined, { ...END, failures: ["interrupted"] }, []);
    assert.deepEqual(await readdir(folder), ["lab.json"]);
  });

  it("are not written when they would hold a secret, and an older file goes", async () => {
    await writeFile(join(folder, "lab.json"), "of an earlier run");
    const secret = "s3cret-of-the-tests-0123456789";
    const end = { ...END, failures: [`pulumi said ${secret}`] };
    const results = await writeResults(folder, undefined, undefined, end, [needle("agent token", secret)]);
    assert.equal(results.ok, false);
    assert.match(results.failures.at(-1) ?? "", /^lab\.json would have held a secret \(agent token\)/);
    assert.deepEqual(await readdir(folder), []);
  });
});

describe("the latency from webhook to Job", () => {
  const answered = (milliseconds: number, status: number, outcome?: string): WebhookDelivery => ({
    ...{ event: "job.scheduled", sentAt: 1_000, answeredAt: 1_000 + milliseconds, status, outcome },
  });
  const latency = (...webhooks: WebhookDelivery[]) =>
    webhookLatency({ jobs: () => [{ webhooks }] } as unknown as FakeBuildkite);

  it("is that of answers after the Job's creation alone", () => {
    const figures = latency(
      answered(40, 200, "created"),
      answered(20, 200, "exists"),
      answered(1, 200, "deferred"),
      answered(3_000, 202, "held"),
      answered(900, 500),
      { event: "job.scheduled", sentAt: 1_000, error: "no live target" },
    );
    assert.deepEqual(figures, { p50: 20, p99: 40, max: 40 });
    assert.deepEqual(latency(answered(1, 200, "deferred")), { p50: 0, p99: 0, max: 0 });
  });
});
