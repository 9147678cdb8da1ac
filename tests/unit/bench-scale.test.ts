import assert from "node:assert/strict";
import { judgeAims } from "../../lab/bench/aims";
import { sumApiRequests } from "../../lab/bench/api-requests";
import type { BenchResults } from "../../lab/bench/bench-results";
import { sumOf } from "../../lab/bench/dispatcher-metrics";
import { joined, middle, reckon } from "../../lab/bench/growth";
import { PollingController } from "../../lab/bench/polling-controller";
import { cpuPerJob, readCpu } from "../../lab/bench/process-cpu";
import { benchHtml } from "../../lab/bench/report-page";
import { timesOf, type ScaleRow } from "../../lab/bench/scale-row";
import { markdown, plainText } from "../../lab/bench/table-text";
import { TokenBucket } from "../../lab/bench/token-bucket";
import { logScale } from "../../lab/report/log-axis";

function row(jobs: number, seconds: number, more: Partial<ScaleRow> = {}): ScaleRow {
  return {
    ...{ jobs, seconds, perSecond: jobs / seconds, firstMs: 10, p50Ms: 500 * seconds, p99Ms: 990 * seconds },
    ...{ peakMiB: null, endMiB: null, callsPerJob: { kubernetes: 1, buildkite: 0.01 } },
    cpuMsPerJob: { "kube-apiserver": 2.5, etcd: 0.5, bench: 0.7 },
    ...more,
  };
}

function results(more: Partial<BenchResults> = {}): BenchResults {
  const measured = {
    scale: [row(100, 0.5, { peakMiB: 80 }), row(1_000, 5, { peakMiB: 90 }), row(10_000, 50, { peakMiB: 120 })],
    rawScale: [row(100, 0.5), row(1_000, 5), row(10_000, 50)],
    pollingScale: {
      byDefault: [row(100, 8.5), row(1_000, 98.5)],
      byDefaultReckoned: [{ jobs: 10_000, seconds: 998.5 }],
      limitsRaised: [row(100, 1), row(1_000, 5.5), row(10_000, 51)],
    },
    ...more,
  };
  return {
    ...measured,
    ...{ aims: judgeAims(measured), size: "standard", seconds: 600, measuredAt: "2026-11-25T21:00:00.000Z" },
    machine: { cpus: 2, cpu: "a <cpu>" },
    parts: [{ name: "etcd", version: "3.6", kind: "real" }],
  };
}

describe("the bench's scale", () => {
  it("lets a burst through at once, then so many per second, and never saves up more than the burst", () => {
    const bucket = new TokenBucket(10, 3, 0);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => bucket.take(0)),
      [0, 0, 0, 100, 200],
    );
    // At 200 ms both that were promised are paid for; a long pause gives back the burst and no more.
    assert.equal(bucket.take(300), 0);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => bucket.take(60_000)),
      [0, 0, 0, 100],
    );
  });

  it("models 1,000 jobs by the vendor's defaults as 98 s of waiting for tokens", () => {
    const bucket = new TokenBucket(10, 20, 0);
    let now = 0;
    for (let job = 0; job < 1_000; job += 1) {
      now += bucket.take(now);
    }
    assert.ok(Math.abs(now - 98_000) < 1, String(now));
  });

  it("polls at once, makes each job once, and ends with the first failure", async () => {
    const made: string[] = [];
    const stopping = new AbortController();
    const controller = new PollingController({
      limits: { perSecond: 1_000, burst: 10 },
      list: () => Promise.resolve(["a", "b"]),
      create: (uuid) => {
        made.push(uuid);
        if (made.length > 1) {
          setImmediate(() => {
            stopping.abort();
          });
        }
        return Promise.resolve();
      },
    });
    await controller.run(stopping.signal);
    assert.deepEqual(made.sort(), ["a", "b"]);
    const failing = new PollingController({
      limits: { perSecond: 1_000, burst: 10 },
      list: () => Promise.reject(new Error("no list")),
      create: () => Promise.resolve(),
    });
    await assert.rejects(failing.run(new AbortController().signal), /no list/);
  });

  it("reads times off each job's own", () => {
    const latencies = Array.from({ length: 200 }, (_, index) => (index + 1) * 10).reverse();
    const expected = { jobs: 200, seconds: 2, perSecond: 100, firstMs: 10, p50Ms: 1000, p99Ms: 1980 };
    assert.deepEqual(timesOf(latencies), expected);
  });

  it("takes two halves as one burst, and reckons what ten a second would take", () => {
    const whole = joined(row(500, 2), row(500, 3));
    assert.deepEqual([whole.jobs, whole.seconds, whole.perSecond, whole.p50Ms], [1_000, 5, 200, 2_000]);
    assert.ok(whole.p99Ms > 2_000 && whole.p99Ms < 5_000);
    const halves = [{ etcd: 1 }, { etcd: 4 }].map((cpuMsPerJob, index) => row(100 + 200 * index, 1, { cpuMsPerJob }));
    assert.deepEqual(joined(...(halves as [ScaleRow, ScaleRow])).cpuMsPerJob, { etcd: 3.25 });
    assert.deepEqual(reckon(row(1_000, 98.5), 10_000), { jobs: 10_000, seconds: 998.5 });
  });

  it("tells of three rounds the middle one, and of memory the worst", () => {
    const rounds = [row(9, 3, { peakMiB: 90 }), row(9, 1, { peakMiB: 95, restartMiB: 99 }), row(9, 2, { peakMiB: 91 })];
    assert.deepEqual(middle(rounds), row(9, 2, { peakMiB: 95, restartMiB: 99 }));
    assert.equal(middle([row(9, 1)]).peakMiB, null);
  });

  it("reads the CPU time of processes, and says what each job has used", async () => {
    const working = new Map([["bench", process.pid]]);
    const before = await readCpu(working);
    const began = process.cpuUsage();
    const usedMs = (): number => {
      const { user, system } = process.cpuUsage(began);
      return (user + system) / 1000;
    };
    while (usedMs() < 200) {
      // Uses up CPU time.
    }
    const perJob = cpuPerJob(before, await readCpu(working), 10)["bench"] ?? 0;
    assert.ok(Math.abs(perJob - 20) < 5, String(perJob));
    await assert.rejects(readCpu(new Map([["gone", 2 ** 22 + 1]])), /ENOENT/);
  });

  it("judges each aim by this run's figures, and none that was not measured", () => {
    const judged = (run: BenchResults) => new Map(run.aims.map(({ aim, met }) => [aim, met]));
    const good = judged(results());
    assert.equal(good.get("a burst of 1,000, Jobs per second beside raw POSTs"), true);
    assert.equal(good.get("burst of 1,000, times faster than the polling model by its defaults"), true);
    assert.equal(good.get("dispatcher's memory at 10,000 jobs, peak"), true);
    assert.equal(good.get("a single job, webhook to Job, p50"), null);

    const slow = row(1_000, 7, { peakMiB: 90 });
    const fat = row(10_000, 70, { peakMiB: 129, callsPerJob: { kubernetes: 1.21, buildkite: 0.06 } });
    const bad = results({ scale: [slow, fat] });
    const missed = bad.aims.filter(({ met }) => met === false).map(({ aim }) => aim);
    assert.deepEqual(missed, [
      "a burst of 1,000, Jobs per second beside raw POSTs",
      "burst of 1,000, times faster than the polling model by its defaults",
      "burst of 1,000, times faster than the polling model with limits raised",
      "Kubernetes calls per job, the most of all sizes",
      "Buildkite calls per job, the most of all sizes",
      "dispatcher's memory at 10,000 jobs, peak",
    ]);
    assert.match(plainText(bad), /memory at 10,000 jobs, peak +<= 128 MiB +129 +missed/);
    assert.ok(!plainText(bad).includes("single job"), "an aim that was not measured is not in the table");
  });

  it("counts requests for what builds are made of, at the API server and at the dispatcher", () => {
    const api = [
      "# TYPE apiserver_request_total counter",
      'apiserver_request_total{code="201",component="apiserver",resource="jobs",verb="POST"} 100',
      'apiserver_request_total{code="200",component="apiserver",resource="pods",verb="LIST"} 3',
      'apiserver_request_total{code="200",component="apiserver",resource="leases",verb="PUT"} 1e+03',
      'apiserver_request_duration_seconds_count{resource="jobs"} 7',
    ];
    assert.equal(sumApiRequests(api.join("\n")), 103);
    const own = [
      'buildkite_dispatcher_kubernetes_request_seconds_count{verb="create"} 100',
      'buildkite_dispatcher_kubernetes_request_seconds_sum{verb="create"} 5',
      'buildkite_dispatcher_kubernetes_request_seconds_count{verb="list"} 2',
    ];
    assert.equal(sumOf(own.join("\n"), "buildkite_dispatcher_kubernetes_request_seconds_count"), 102);
    assert.equal(sumOf("a 7\na_b 9", "a"), 7);
  });

  it("draws the growth of all ways, what was reckoned in dashes, and tells the tables in Markdown", () => {
    const html = benchHtml(results());
    for (const name of ["raw POST", "dispatcher", "polling, raised", "polling, defaults"]) {
      assert.ok(html.includes(`>${name}</text>`), name);
    }
    assert.equal(html.split("reckoned</title>").length - 1, 1);
    assert.ok(html.includes("polling, defaults: 1,000 jobs, 98.5 s"));
    assert.ok(html.includes("a &lt;cpu&gt;") && !/NaN|undefined|Infinity/.test(html));
    // One size is no growth.
    assert.ok(!benchHtml(results({ scale: [row(30, 1)] })).includes("How it grows"));
    const text = markdown(results());
    assert.match(text, /^\| 10,000 \| polling model, defaults \| 998\.5 s, reckoned \|/m);
    assert.match(
      text,
      /^\| 1,000 \| dispatcher \| 5 s \| 200 \| 1 \| 2,500 ms \| 4,950 ms \| 90 \| - \| 1 \| 0\.01 \|$/m,
    );
    assert.match(markdown({ ...results(), size: "quick" }), /^Measured with `--quick`: these figures mean nothing/);
  });

  it("puts each power of ten at an even distance", () => {
    const scale = logScale(100, 9_000, 0, 200);
    assert.deepEqual(scale.ticks, [100, 1_000, 10_000]);
    assert.deepEqual([scale.position(100), scale.position(1_000), scale.position(10_000)], [0, 100, 200]);
    assert.deepEqual(logScale(10, 10, 0, 1).ticks, [10, 100]);
  });
});
