import type { FakeBuildkite } from "./buildkite";
import type { Failures } from "./failures";
import type { Leak } from "./leaks/search";
import type { Part } from "./parts";
import { percentile } from "./percentile";
import type { Phase } from "./phases";
import type { Progress } from "./progress";
import type { CostFigures } from "./report";
import type { LabSystem } from "./system";
import { madeJob } from "./webhook-answer";

/** One part of the lab, and whether it is the real thing. */
export interface PartResult {
  readonly name: string;
  readonly version: string;
  readonly kind: "real" | "stand-in";
  /** Where it came from, or what a stand-in does not prove. */
  readonly note: string;
}

/** What the run itself measured. */
export interface Measured {
  readonly seed: number;
  /** How many builds were asked for; the destroy adds one more. */
  readonly builds: number;
  /** As Buildkite's side saw them; `interrupted` is the one that the destroy ended. */
  readonly jobs: {
    readonly scheduled: number;
    readonly ranOnce: number;
    readonly lost: number;
    readonly twice: number;
    readonly interrupted: number;
  };
  /** Jobs with two pods at one time that had not ended, by an independent watch. */
  readonly overlappingPods: number;
  /** Pods whose agent was refused its job. */
  readonly wastedPods: number;
  /** Pods that outlived their Job. */
  readonly outlivingPods: number;
  readonly nodes: { readonly max: number; readonly peak: number; readonly end: number };
  readonly secretsFound: readonly Leak[];
  /** What GKE's timers were divided by; build lengths are real. */
  readonly timeScale: number;
  /** From the webhook's sending to the answer that the Job exists. Milliseconds; 0 where no webhook was answered so. */
  readonly webhookMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Node-hours and dollars in GKE's time; missing when the pool could not be read. */
  readonly cost?: CostFigures;
  readonly parts: readonly PartResult[];
}

/** How the run ended. */
export interface End {
  /** Everything that was not as it must be, in words. */
  readonly failures: readonly string[];
  readonly leftovers: readonly string[];
  readonly phases: readonly Phase[];
  readonly seconds: number;
}

/** What out/lab.json holds; what was measured is missing when the run did not get that far. */
export type LabResults = { readonly ok: boolean } & Partial<Measured> & End;

/** What a run does not prove, one sentence each; stands in the report. */
export const UNPROVEN = [
  "That Google accepts the node pool, and how long its machines really take: the autoscaler and Google are models.",
  "That the sidecar ends with the agent: no container runs here; a build is a wait.",
  "That Buildkite's own server behaves as documented, delivers every webhook, or sends the fields that are assumed.",
  "Pulumi's published provider plugins, and its official Node language host where the stand-in ran.",
] as const;

/** Notes a failure for everything that the builds must not have shown. */
export function judge(measured: Measured, failures: Failures): void {
  const { jobs, builds, nodes, overlappingPods, wastedPods, outlivingPods, secretsFound } = measured;
  failures.equal(jobs.ranOnce, builds, "builds that ran exactly once");
  failures.equal(jobs.twice, 0, "builds that ran twice");
  failures.equal(jobs.lost, 0, "builds that were lost");
  failures.equal(overlappingPods, 0, "builds with two pods at one time");
  failures.equal(outlivingPods, 0, "pods that outlived their Job");
  failures.equal(wastedPods, 0, "pods that were refused their job");
  failures.check(nodes.peak <= nodes.max, `there were ${nodes.peak} nodes, ${nodes.max} are allowed`);
  failures.check(nodes.peak > 0, "the pool never grew");
  failures.equal(nodes.end, 0, "nodes at the end");
  failures.equal(secretsFound, [], "secrets found outside Kubernetes' Secrets");
}

/** Latency of the webhooks whose answer says that there is the Job. */
export function webhookLatency(buildkite: Pick<FakeBuildkite, "jobs">): Measured["webhookMs"] {
  const times = buildkite
    .jobs()
    .flatMap(({ webhooks }) => webhooks)
    .filter(madeJob)
    .flatMap(({ sentAt, answeredAt }) => (answeredAt === undefined ? [] : [answeredAt - sentAt]))
    .sort((a, b) => a - b);
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), max: percentile(times, 1) };
}

/** The counts that the independent watch, the fake Buildkite and the samples give. */
export function countsOf(
  system: LabSystem,
  progress: Progress,
): Pick<Measured, "jobs" | "overlappingPods" | "wastedPods" | "outlivingPods" | "nodes" | "webhookMs"> {
  const { scheduled, ranOnce, lost, twice, interrupted } = system.buildkite.summary();
  return {
    jobs: { scheduled, ranOnce, lost, twice, interrupted },
    overlappingPods: system.watch.overlapping.size,
    wastedPods: system.agents.wastedPods,
    outlivingPods: system.watch.outliving.length,
    nodes: {
      max: Math.max(0, ...progress.recorder.maxima.map(({ maxNodes }) => maxNodes)),
      peak: system.watch.peakNodes,
      end: system.watch.counts().nodes,
    },
    webhookMs: webhookLatency(system.buildkite),
  };
}

/**
 * Real parts by name and version, then the stand-ins with what they do not prove.
 *
 * @param nodes whether containers ran on real nodes.
 */
export function partResults(
  parts: readonly Part[],
  languageHost: "official" | "stand-in",
  plugin: string,
  nodes: "real" | "kwok",
): PartResult[] {
  return [
    ...parts.map(({ name, version, from }): PartResult => ({ name, version, kind: "real", note: FROM[from] })),
    {
      name: "dispatcher",
      version: "this checkout",
      kind: "real",
      note: "the bundle that pulumi up put into the cluster",
    },
    {
      name: "pulumi-language-nodejs",
      version: "",
      kind: languageHost === "official" ? "real" : "stand-in",
      note:
        languageHost === "official" ? "found beside the CLI" : "starts @pulumi/pulumi/cmd/run; not the official host",
    },
    plugin === "real"
      ? { name: "pulumi-resource-kubernetes", version: "", kind: "real", note: "published; never tried by us" }
      : {
          name: "pulumi-resource-kubernetes",
          version: "",
          kind: "stand-in",
          note: "real API server behind it; not the published plugin's own code",
        },
    {
      name: "pulumi-resource-gcp",
      version: "",
      kind: "stand-in",
      note: "GKE's rules as documented; not that Google accepts it",
    },
    { name: "GKE cluster autoscaler", version: "", kind: "stand-in", note: "a model of its rules and timers" },
    {
      name: "Buildkite",
      version: "",
      kind: "stand-in",
      note: "documented webhooks and agent API; not Buildkite's own server",
    },
    ...(nodes === "real" ? [] : KWOK_STAND_INS),
  ];
}

const KWOK_STAND_INS: readonly PartResult[] = [
  {
    name: "buildkite-agent, dockerd, kubelet",
    version: "",
    kind: "stand-in",
    note: "a build is a wait; no container runs",
  },
  {
    name: "dispatcher's container",
    version: "",
    kind: "stand-in",
    note: "a process of this machine; no image, no limits",
  },
];

const FROM: Readonly<Record<Part["from"], string>> = {
  path: "found on PATH",
  download: "downloaded from its publisher",
  "go-build": "built from Go modules",
};
