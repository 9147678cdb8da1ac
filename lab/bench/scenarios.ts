/** What the bench can measure, by the names of `--scenario`, in the order in which it is done. */
export const SCENARIOS = {
  blocks: "webhooks beside raw POSTs, in blocks that take turns: the share of the raw rate",
  single: "one job at a time, many times: what a webhook takes beside a raw POST",
  burst: "1,000 jobs at once: webhooks, raw POSTs, and a model of a polling controller, twice",
  growth: "the burst with 100, 1,000 and 10,000 jobs",
  steady: "50 jobs per second for two minutes",
  reconcile: "1,000 jobs at once whose webhooks are all lost",
  lost: "single lost webhooks: how long until the loop has found the job",
  nodes: "builds that run and end on 1,000 simulated nodes, with a cap, by webhook and loop",
} as const;

/** A name of {@link SCENARIOS}. */
export type Scenario = keyof typeof SCENARIOS;

export const ALL_SCENARIOS = Object.keys(SCENARIOS) as readonly Scenario[];

/** Sizes of the scenarios. */
export interface Sizes {
  /** Jobs before anything is counted, each way: a replica that has been up for a while is warm. */
  readonly warmUp: number;
  /** Each way, in `single`. */
  readonly single: number;
  readonly burst: number;
  readonly growth: readonly number[];
  /** The polling model by its defaults is measured up to this size, and reckoned from there beyond it: it makes ten a second. */
  readonly slowestUpTo: number;
  readonly steady: { readonly perSecond: number; readonly seconds: number };
  readonly reconcile: number;
  readonly lost: { readonly jobs: number; readonly seconds: number };
  readonly nodes: { readonly nodes: number; readonly jobs: number; readonly buildSeconds: number };
  /** The dispatcher's `reconcileSeconds`. */
  readonly reconcileSeconds: number;
}

const STANDARD: Sizes = {
  ...{ warmUp: 500, single: 300, burst: 1_000, growth: [100, 1_000, 10_000], slowestUpTo: 1_000 },
  ...{ steady: { perSecond: 50, seconds: 120 }, reconcile: 1_000, lost: { jobs: 20, seconds: 20 } },
  ...{ nodes: { nodes: 1_000, jobs: 1_000, buildSeconds: 20 }, reconcileSeconds: 10 },
};

/** By the name of the option that asks for them. */
export const SIZES: Readonly<Record<"standard" | "quick" | "full", Sizes>> = {
  standard: STANDARD,
  full: { ...STANDARD, slowestUpTo: 10_000, nodes: { ...STANDARD.nodes, jobs: 10_000 } },
  quick: {
    ...{ warmUp: 10, single: 10, burst: 30, growth: [10, 30], slowestUpTo: 10 },
    ...{ steady: { perSecond: 10, seconds: 2 }, reconcile: 30, lost: { jobs: 2, seconds: 1 } },
    ...{ nodes: { nodes: 10, jobs: 20, buildSeconds: 1 }, reconcileSeconds: 1 },
  },
};
