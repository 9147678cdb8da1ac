import assert from "node:assert/strict";
import { RunRecorder, reportHtml, type RunReport, type Sample } from "../../lab/report";
import { scaleTo, scaleWithin } from "../../lab/report/axis";

const START = Date.UTC(2026, 0, 1);
const RUN: RunReport = {
  title: "A <run>",
  startedAt: START,
  endedAt: START + 60_000,
  timeScale: 60,
  samples: [
    { at: START, queued: 0, running: 0, finished: 0, nodes: 0 },
    { at: START + 20_000, queued: 6, running: 4, finished: 0, nodes: 3 },
    { at: START + 60_000, queued: 0, running: 0, finished: 10, nodes: 0 },
  ],
  phases: [{ name: "pulumi up", startedAt: START, seconds: 20 }],
  marks: [{ at: START + 30_000, label: "another maximum" }],
  maxima: [
    { at: START, maxNodes: 3 },
    { at: START + 30_000, maxNodes: 4 },
  ],
  buildRecords: [],
  nodes: [],
  results: [
    { name: "jobs lost", value: 0, ok: true },
    { name: "secrets found", value: 2, ok: false },
  ],
  parts: [{ name: "etcd", version: "3.6", kind: "real", note: "from PATH" }],
  unproven: ["GKE's <times>"],
  failures: ["2 secrets & more"],
};

describe("the lab's report", () => {
  it("is one page that loads nothing and runs nothing", () => {
    const html = reportHtml(RUN);
    assert.ok(!/<script|<link|<img|@import|url\(|https?:/.test(html));
    assert.match(html, /prefers-color-scheme: dark/);
    assert.equal(html.match(/<svg/g)?.length, 1);
  });

  it("escapes what it is given", () => {
    const html = reportHtml(RUN);
    assert.match(html, /A &lt;run&gt;/);
    assert.match(html, /2 secrets &amp; more/);
    assert.ok(!html.includes("<times>"));
  });

  it("says the time scale, the peak, the marks, the phases, and what failed", () => {
    const html = reportHtml(RUN);
    assert.match(html, /60 times as fast/);
    assert.match(html, /GKE&#39;s timers run at 60×|GKE's timers run at 60×/);
    assert.match(html, /0 → 3 → 0/);
    assert.match(html, /max 4/);
    assert.match(html, /another maximum/);
    assert.match(html, /pulumi up<\/span><em>20\.0 s/);
    assert.match(html, /1 of its checks failed/);
    assert.match(html, /class="bad">wrong/);
    assert.match(reportHtml({ ...RUN, failures: [] }), /Everything was as it must be/);
  });

  it("keeps every point inside the picture, whatever the times", () => {
    const odd: RunReport = { ...RUN, samples: [], maxima: [], endedAt: START };
    for (const run of [RUN, odd, { ...RUN, marks: [{ at: START - 9e9, label: "before" }] }]) {
      const html = reportHtml(run);
      assert.ok(!/NaN|Infinity|undefined/.test(html));
      for (const [, x] of html.matchAll(/ (?:x|x1|x2|cx)="(-?[0-9.]+)"/g)) {
        assert.ok(Number(x) >= 0 && Number(x) <= 1120, x);
      }
    }
  });

  it("shows the time that was sampled, in seconds since the run's start, and phases side by side in rows", () => {
    const window: RunReport = {
      ...RUN,
      startedAt: START - 100_000,
      phases: [
        { name: "long before", startedAt: START - 100_000, seconds: 50 },
        { name: "builds", startedAt: START, seconds: 60 },
        { name: "meanwhile", startedAt: START + 10_000, seconds: 20 },
        { name: "later", startedAt: START + 31_000, seconds: 20 },
      ],
    };
    const svg = /<svg.*<\/svg>/s.exec(reportHtml(window))?.[0] ?? "";
    assert.ok(svg.includes(">100</text>") && svg.includes(">160</text>") && !svg.includes(">170</text>"));
    assert.ok(!svg.includes("long before"));
    const rowOf = (name: string): string =>
      new RegExp(`<text class="band-number"[^>]* y="(\\d+)"[^>]*>\\d\\. ${name}<`).exec(svg)?.[1] ?? "none";
    assert.deepEqual(["builds", "meanwhile", "later"].map(rowOf), ["9", "29", "29"]);
  });

  it("has axes with round steps that reach their highest value", () => {
    assert.deepEqual(scaleTo(7, 100, 0, 5, true).ticks, [0, 2, 4, 6, 8]);
    assert.equal(scaleTo(10, 100, 0, 5, true).position(10), 0);
    assert.deepEqual(scaleTo(1, 100, 0, 5, true).ticks, [0, 1]);
    assert.deepEqual(scaleWithin(0, 65, 0, 650, 7).ticks, [0, 10, 20, 30, 40, 50, 60]);
    assert.equal(scaleWithin(0, 65, 0, 650, 7).position(65), 650);
    const later = scaleWithin(28.7, 52.6, 100, 500, 6);
    assert.deepEqual(later.ticks, [30, 35, 40, 45, 50]);
    assert.deepEqual([later.position(28.7), later.position(52.6)], [100, 500]);
  });

  it("keeps of a stretch without change only its ends", async () => {
    const counts: Omit<Sample, "at"> = { queued: 0, running: 0, finished: 0, nodes: 0 };
    let now = counts;
    const recorder = new RunRecorder(() => now, 2);
    recorder.start();
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(recorder.samples.length, 2);
    now = { ...counts, nodes: 3 };
    await new Promise((resolve) => setTimeout(resolve, 20));
    recorder.mark("up");
    recorder.maximum(4);
    recorder.stop();
    const [first, last, change] = recorder.samples;
    assert.ok(first !== undefined && last !== undefined && change !== undefined && last.at - first.at >= 40);
    assert.deepEqual([last.nodes, change.nodes], [0, 3]);
    assert.equal(recorder.maxima[0]?.maxNodes, 4);
    const { length } = recorder.samples;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(recorder.samples.length, length, "it goes on after its stop");
  });
});
