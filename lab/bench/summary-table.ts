import type { BenchResults } from "./bench-results";
import { rounded, type ScaleRow } from "./scale-row";

/** A table: its head and its rows. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Everything that was measured, as tables for people, for Markdown and for the report. */
export function tablesOf(results: BenchResults): Table[] {
  return [turns(results), growth(results), cpu(results), others(results), aims(results)].filter(
    ({ rows }) => rows.length > 0,
  );
}

function turns({ dispatcher, raw, ratios, single }: BenchResults): Table {
  const sides = [
    ...(dispatcher && raw && ratios ? [{ name: "many at a time", dispatcher, raw, ratios }] : []),
    ...(single ? [{ name: "one at a time", ...single }] : []),
  ];
  return {
    title: "The dispatcher beside raw POSTs, taking turns",
    head: ["", "Jobs", "dispatcher", "raw POST", "ratio"],
    rows: sides.flatMap((side) => [
      [
        `Jobs per second, ${side.name}`,
        String(side.dispatcher.jobs),
        ...both(side, "perSecond"),
        text(side.ratios.throughput),
      ],
      [`p50, ${side.name}`, String(side.dispatcher.jobs), ...both(side, "p50Ms", " ms"), text(side.ratios.p50)],
      [`p99, ${side.name}`, String(side.dispatcher.jobs), ...both(side, "p99Ms", " ms"), text(side.ratios.p99)],
    ]),
  };
}

type Side = Required<Pick<BenchResults, "dispatcher" | "raw">>;

function both(side: Side, field: "perSecond" | "p50Ms" | "p99Ms", unit = ""): string[] {
  return [side.dispatcher, side.raw].map((one) => `${one[field]}${unit}`);
}

function growth({ scale = [], rawScale = [], pollingScale, reconcileOnly }: BenchResults): Table {
  const ways: [string, readonly ScaleRow[]][] = [
    ["raw POST", rawScale],
    ["dispatcher", scale],
    ["dispatcher, webhooks all lost", reconcileOnly === undefined ? [] : [reconcileOnly]],
    ["polling model, limits raised", pollingScale?.limitsRaised ?? []],
    ["polling model, defaults", pollingScale?.byDefault ?? []],
  ];
  const sizes = [...new Set(ways.flatMap(([, rows]) => rows.map(({ jobs }) => jobs)))].sort((a, b) => a - b);
  const rows = sizes.flatMap((jobs) => {
    const raw = rawScale.find((row) => row.jobs === jobs);
    const measured = ways.flatMap(([way, all]) =>
      all.filter((row) => row.jobs === jobs).map((row) => growthRow(way, row, raw)),
    );
    const reckoned = (pollingScale?.byDefaultReckoned ?? [])
      .filter((row) => row.jobs === jobs)
      .map(({ seconds }) => [
        text(jobs),
        "polling model, defaults",
        `${text(seconds)} s, reckoned`,
        ...Array<string>(8).fill("-"),
      ]);
    return [...measured, ...reckoned];
  });
  return {
    title: "Jobs scheduled at one moment",
    head: [
      ...["jobs", "way", "until all are made", "per second", "share of raw", "p50", "p99", "peak MiB", "restarted"],
      ...["Kubernetes calls per job", "Buildkite calls per job"],
    ],
    rows,
  };
}

function growthRow(way: string, row: ScaleRow, raw: ScaleRow | undefined): string[] {
  return [
    ...[text(row.jobs), way, `${text(row.seconds)} s`, text(row.perSecond)],
    raw === undefined ? "-" : text(Number((row.perSecond / raw.perSecond).toFixed(2))),
    ...[`${text(row.p50Ms)} ms`, `${text(row.p99Ms)} ms`, orDash(row.peakMiB), orDash(row.restartMiB)],
    ...[text(row.callsPerJob.kubernetes), text(row.callsPerJob.buildkite)],
  ];
}

/** What the API server could not do because others had the cores: where all share a machine, that is the rate. */
function cpu({ scale = [], rawScale = [], pollingScale, machine }: BenchResults): Table {
  const ways: [string, readonly ScaleRow[]][] = [
    ["raw POST", rawScale],
    ["dispatcher", scale],
    ["polling model, limits raised", pollingScale?.limitsRaised ?? []],
  ];
  const rows = ways.flatMap(([way, all]) => all.map((row) => ({ way, row }))).sort((a, b) => a.row.jobs - b.row.jobs);
  return {
    title: "CPU time per job, ms",
    head: ["jobs", "way", "kube-apiserver", "etcd", "dispatcher", "the bench itself", "all", "that there was"],
    rows: rows.map(({ way, row: { jobs, seconds, cpuMsPerJob } }) => [
      ...[text(jobs), way],
      ...["kube-apiserver", "etcd", "dispatcher", "bench"].map((name) => orDash(cpuMsPerJob[name])),
      text(
        rounded(
          Object.values(cpuMsPerJob).reduce((sum, ms) => sum + ms, 0),
          2,
        ),
      ),
      text(rounded((Number(machine["cpus"]) * seconds * 1000) / jobs, 2)),
    ]),
  };
}

function others({ steady, reconcileOnly, lostWebhooks, nodes }: BenchResults): Table {
  const memory = steady?.memoryMiB;
  return {
    title: "Other scenarios",
    head: ["what", "figure"],
    rows: [
      ...(steady && memory
        ? [
            [
              `${steady.perSecond} per second for ${text(steady.seconds)} s, p50 / p99`,
              `${steady.p50Ms} / ${steady.p99Ms} ms`,
            ],
            [
              "its memory: start, after each quarter, peak",
              `${memory.start}, ${memory.quarter}, ${memory.half}, ${memory.threeQuarters}, ${memory.end}, ${memory.peak} MiB`,
            ],
          ]
        : []),
      ...(reconcileOnly
        ? [
            [
              `${text(reconcileOnly.jobs)} jobs without webhooks: the first, all`,
              `${text(reconcileOnly.firstMs)} ms, ${reconcileOnly.seconds} s`,
            ],
          ]
        : []),
      ...(lostWebhooks
        ? [
            [
              `${lostWebhooks.jobs} lost webhooks, p50 / longest`,
              `${lostWebhooks.p50Seconds} / ${lostWebhooks.longestSeconds} s`,
            ],
          ]
        : []),
      ...(nodes
        ? [
            [
              `${text(nodes.jobs)} builds on ${text(nodes.nodes)} nodes, cap ${text(nodes.cap)}: run once, lost, twice`,
              `${text(nodes.ranOnce)}, ${nodes.lost}, ${nodes.twice}`,
            ],
            ["the same: until all were over; most at one time", `${text(nodes.seconds)} s; ${text(nodes.mostRunning)}`],
            ["the same: dispatcher's memory, peak / end", `${nodes.peakMiB} / ${nodes.endMiB} MiB`],
            [
              "the same: Kubernetes / Buildkite calls per job",
              `${nodes.callsPerJob.kubernetes} / ${nodes.callsPerJob.buildkite}`,
            ],
          ]
        : []),
    ],
  };
}

function aims({ aims: all }: BenchResults): Table {
  return {
    title: "Aims",
    head: ["aim", "rule", "measured", ""],
    rows: all
      .filter(({ measured }) => measured !== null)
      .map(({ aim, rule, measured, met }) => [
        aim,
        rule,
        text(measured ?? Number.NaN),
        met === true ? "met" : "missed",
      ]),
  };
}

function orDash(value: number | null | undefined): string {
  return typeof value === "number" ? text(value) : "-";
}

/** With commas between thousands. */
function text(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 3 });
}
