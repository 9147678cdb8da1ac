import assert from "node:assert/strict";
import {
  type BuildRecord,
  type CostFigures,
  type NodeRecord,
  RunRecorder,
  reportHtml,
  type RunReport,
  type Sample,
} from "../../lab/report";
import { scaleTo, scaleWithin } from "../../lab/report/axis";
import { differences } from "../support/report-figures";

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

/** A build that was pushed so many seconds after the start and went the usual way. */
function at(number: number, seconds: number): BuildRecord {
  const pushed = START + seconds * 1000;
  return {
    ...{ number, queue: "default", scheduledAt: pushed, webhookAt: pushed + 10, jobAt: pushed + 50, node: "gke-1" },
    ...{ boundAt: pushed + 4_000, podAt: pushed + 4_100, agentAt: pushed + 4_300, startedAt: pushed + 4_500 },
    ...{ finishedAt: pushed + 7_000, endedAt: pushed + 7_200, exitStatus: "0" },
  };
}

const BUILDS: readonly BuildRecord[] = [
  { ...at(1, 9), finishedAt: START + 14_000, endedAt: START + 14_100 },
  at(2, 5),
  { ...at(3, 10), queue: "quick & small" },
];
const NODES: readonly NodeRecord[] = [{ name: "gke-1", registeredAt: START + 8_000, goneAt: START + 30_000 }];
const COST: CostFigures = {
  ...{ machineType: "e2-standard-4", spot: false, timeScale: 60, maxNodes: 4, hours: 1, nodeHourDollars: 0.134 },
  ...{ paidNodeHours: 0.7213, usedNodeHours: 0.3606 },
  rows: [
    { name: "this run", nodeHours: 0.7213, dollars: 0.0967, dayNodeHours: 0.7213, dayDollars: 0.0967 },
    { name: "always on", nodeHours: 4, dollars: 0.536, dayNodeHours: 96, dayDollars: 12.864 },
  ],
};

describe("the lab's report", () => {
  it("is one page that loads nothing and runs nothing", () => {
    const html = reportHtml(RUN);
    assert.ok(!/<script|<link|<img|@import|url\(|https?:/.test(html));
    assert.match(html, /prefers-color-scheme: dark/);
    assert.equal(html.match(/<svg/g)?.length, 1);
  });

  it("shows every figure of the costs, exactly and as a reader reads it, and what they rest on", () => {
    const html = reportHtml({ ...RUN, cost: COST });
    assert.deepEqual(differences(html, COST), []);
    assert.match(html, /0\.36<\/strong> of them \(50 %\)/);
    assert.match(html, /from its order \(90 s/);
    assert.match(html, /clock is divided by 60: all hours here are its seconds times 60/);
    assert.match(html, /goes after 1 min with OPTIMIZE_UTILIZATION, 10 min with BALANCED/);
    assert.match(html, /Prices are assumptions/);
    const unpriced = { ...COST, nodeHourDollars: undefined, machineType: "n9-<huge>" };
    assert.match(reportHtml({ ...RUN, cost: unpriced }), /There is no price for n9-&lt;huge&gt; in the table/);
    assert.match(reportHtml(RUN), /The pool was not recorded/);
  });

  it("shows each build's steps in its queue, one group of rows for the keyboard, and its card", () => {
    const html = reportHtml({ ...RUN, buildRecords: BUILDS, nodes: NODES });
    assert.equal(html.match(/<fieldset class="queue">/g)?.length, 2);
    assert.deepEqual(
      [...html.matchAll(/<input type="radio" name="([^"]+)"( checked)?/g)].map(([, group, checked]) => [
        group,
        checked,
      ]),
      [
        ["queue-0", undefined],
        ["queue-0", " checked"],
        ["queue-1", " checked"],
      ],
    );
    assert.match(
      html,
      /aria-label="build 2: webhook 0\.01 s, Job 0\.04 s, node 3\.95 s, pod 0\.10 s, agent 0\.40 s, build 2\.50 s, end 0\.20 s"/,
    );
    assert.match(html, /default <span>2 builds; from push to start: 4\.50 s median/);
    assert.match(
      html,
      /build 2, exit 0, 7\.20 s in all, pushed at 5\.00 s, on gke-1 \(new: a node 3\.00 s after the push\)/,
    );
    assert.match(html, /on gke-1 \(was there already\)/);
    assert.match(html, /quick &amp; small/);
    for (const [, left, width] of html.matchAll(/left:([0-9.-]+)%;width:([0-9.-]+)%/g)) {
      assert.ok(Number(left) >= 0 && Number(width) >= 0 && Number(left) + Number(width) <= 100.1, `${left} ${width}`);
    }
    const many = Array.from({ length: 500 }, (_, number) => ({ ...at(number, 0), queue: "default" }));
    const cut = reportHtml({ ...RUN, buildRecords: many, nodes: NODES });
    assert.match(cut, /500 builds, 120 of them shown/);
    assert.equal(cut.match(/type="radio"/g)?.length, 120);
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
