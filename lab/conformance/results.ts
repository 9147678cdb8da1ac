import { MODES, type Mode } from "./modes";
import type { Times } from "./observation";
import { spreadOf, type Spread } from "./statistics";

/** One case in one mode, as out/conformance.json has it. Times are milliseconds; null where a moment never came. */
export interface CaseResult {
  readonly case: string;
  readonly mode: Mode;
  /** Counts from 1 with `--repeat`. */
  readonly round: number;
  /** Behaved as the contract wants. May be false for `post`, whose failures are what the baseline is for. */
  readonly ok: boolean;
  /** For `post`: failed in just the way that is documented. For the others the same as `ok`. */
  readonly asDocumented: boolean;
  /** As Buildkite saw the agent's job end. */
  readonly agentExit: string;
  /** The container's own exit code. */
  readonly agentCode: number | null;
  readonly dindCode: number | null;
  readonly podPhase: string;
  readonly podReason: string;
  readonly jobResult: string;
  readonly agentEndToDindEndMs: number | null;
  readonly agentEndToPodTerminalMs: number | null;
  readonly agentEndToJobTerminalMs: number | null;
  readonly dindStartToAgentStartMs: number | null;
  readonly dockerFirstAnswerMs: number | null;
  readonly actToBuildkiteKnowsMs: number | null;
  readonly scheduledToFirstLogMs: number | null;
  /** What was still there when the watching ended, or could not be removed afterwards. */
  readonly leftovers: readonly string[];
  /** What is remarkable, and every difference from what was expected. */
  readonly note: string;
  /** How long the case took in all, in seconds. */
  readonly seconds: number;
}

/** A case that could not run at all, by name and with the reason. */
export interface SkippedCase {
  readonly case: string;
  readonly mode: Mode;
  readonly reason: string;
}

/** One figure of section "to beat": of one kind of end, per mode. */
export interface Figure {
  readonly figure: string;
  /** Milliseconds; undefined where there is none for that mode. */
  readonly aim: Partial<Record<Mode, number>>;
  /** Null where the mode ran and the moment never came; missing where the mode did not run. */
  readonly measured: Partial<Record<Mode, Spread | null>>;
}

/** What out/conformance.json holds. */
export interface ConformanceResults {
  readonly ok: boolean;
  readonly startedAt: string;
  readonly seconds: number;
  readonly repeat: number;
  /** Of the machine the cases ran on: `v1` or `v2`. Memory limits are proven for this one only. */
  readonly cgroup: string;
  /** Versions of every real part. */
  readonly versions: Readonly<Record<string, string>>;
  readonly cases: readonly CaseResult[];
  readonly skipped: readonly SkippedCase[];
  readonly figures: readonly Figure[];
  /** What the whole run left on the machine. */
  readonly leftovers: readonly string[];
  /** Why `ok` is false. */
  readonly failures: readonly string[];
  readonly note: string;
}

/** One line per thing that is not as it must be: our own modes against the contract, the post against its record. */
export function failuresOf(cases: readonly CaseResult[]): string[] {
  return cases
    .filter(({ asDocumented }) => !asDocumented)
    .map(({ case: name, mode, round, note }) => `${name} (${mode}${round > 1 ? `, round ${round}` : ""}): ${note}`);
}

interface FigureRule {
  readonly figure: string;
  readonly time: keyof Times & keyof CaseResult;
  readonly cases: readonly string[];
  readonly aim: Partial<Record<Mode, number>>;
}

const BOTH = (milliseconds: number): Partial<Record<Mode, number>> => ({
  "shared-volume": milliseconds,
  native: milliseconds,
});

const NORMAL_EXIT = ["job succeeds", "job fails with 3"];
const KILLED = ["agent SIGKILLed", "agent process SIGKILLed", "agent out of memory, all at once"];

const FIGURES: readonly FigureRule[] = [
  {
    figure: "agent end to dind container ended, normal exit",
    time: "agentEndToDindEndMs",
    cases: NORMAL_EXIT,
    aim: { "shared-volume": 300, native: 1_500 },
  },
  {
    figure: "agent end to dind container ended, SIGKILL or out of memory",
    time: "agentEndToDindEndMs",
    cases: KILLED,
    aim: { "shared-volume": 300, native: 1_500 },
  },
  {
    figure: "agent end to pod terminal",
    time: "agentEndToPodTerminalMs",
    cases: [...NORMAL_EXIT, ...KILLED],
    aim: BOTH(2_500),
  },
  {
    figure: "dind container start to agent container start",
    time: "dindStartToAgentStartMs",
    cases: NORMAL_EXIT,
    aim: BOTH(2_000),
  },
  {
    figure: "dockerd's first answer after its container's start",
    time: "dockerFirstAnswerMs",
    cases: NORMAL_EXIT,
    aim: BOTH(500),
  },
  {
    figure: "SIGTERM to the pod until Buildkite knows",
    time: "actToBuildkiteKnowsMs",
    cases: ["SIGTERM to the pod"],
    aim: BOTH(3_000),
  },
  {
    figure: "job scheduled to the first line of its log, warm node",
    time: "scheduledToFirstLogMs",
    cases: NORMAL_EXIT,
    aim: BOTH(6_000),
  },
];

/** The figures that are to be beaten, of everything that was measured. */
export function figuresOf(cases: readonly CaseResult[]): Figure[] {
  return FIGURES.map(({ figure, time, cases: names, aim }) => {
    const measured: Partial<Record<Mode, Spread | null>> = {};
    for (const mode of MODES) {
      const rows = cases.filter((result) => result.mode === mode && names.includes(result.case));
      if (rows.length > 0) {
        measured[mode] = spreadOf(rows.flatMap((result) => result[time] ?? [])) ?? null;
      }
    }
    return { figure, aim, measured };
  });
}
