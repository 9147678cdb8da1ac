import { agentExitOf, jobResultOf, podPhaseOf, timesOf, type Observation } from "./observation";

/** A text that must be met: exactly, as one of several, or by a pattern. */
export type TextRule = string | readonly string[] | RegExp;

/** How long something may take, in milliseconds; `never` where it must not happen while it is watched. */
export type TimeRule = number | "never";

/** What a case must show in one mode; what is left out is not looked at. */
export interface Expected {
  /** As Buildkite saw the agent's job end; see `agentExitOf`. */
  readonly agentExit?: TextRule;
  /** Exit code of the container `agent`; `none` where it must not have begun. */
  readonly agentCode?: number | readonly number[] | "none";
  /** Exit code of the container `dind`. */
  readonly dindCode?: number | readonly number[];
  readonly podPhase?: TextRule;
  readonly podReason?: TextRule;
  readonly jobResult?: TextRule;
  /** From the agent's end to dind's. */
  readonly dindEnd?: TimeRule;
  /** From the agent's end to the pod's. */
  readonly podEnd?: TimeRule;
  /** From the agent's end to the Job's. */
  readonly jobEnd?: TimeRule;
  /** From the blow to what Buildkite hears of it; `never` where it hears nothing, or only gives the agent up. */
  readonly buildkiteKnows?: TimeRule;
  /** The pod must end within so long after its Job was made, whether or not an agent ever ran. */
  readonly podEndsAfterStart?: TimeRule;
}

/** Everything in which an observation differs from what was expected; empty when nothing does. */
export function differences(expected: Expected, seen: Observation): string[] {
  const times = timesOf(seen);
  const began = seen.buildkite.scheduledAt;
  const ended = seen.pod?.terminalAt ?? seen.pod?.goneAt;
  return [
    ...text("agent's exit as Buildkite saw it", expected.agentExit, agentExitOf(seen.buildkite)),
    ...code("agent's exit code", expected.agentCode, seen.agent.exitCode, seen.agent.startedAt !== undefined),
    ...code("dind's exit code", expected.dindCode, seen.dind.exitCode, seen.dind.startedAt !== undefined),
    ...text("pod phase", expected.podPhase, podPhaseOf(seen.pod)),
    ...text("pod's reason", expected.podReason, seen.pod?.reason ?? ""),
    ...text("Job result", expected.jobResult, jobResultOf(seen.job)),
    ...time("agent end to dind end", expected.dindEnd, times.agentEndToDindEndMs),
    ...time("agent end to pod end", expected.podEnd, times.agentEndToPodTerminalMs),
    ...time("agent end to Job end", expected.jobEnd, times.agentEndToJobTerminalMs),
    ...time("until Buildkite knew", expected.buildkiteKnows, times.actToBuildkiteKnowsMs),
    ...time("pod's end after its start", expected.podEndsAfterStart, ended === undefined ? undefined : ended - began),
  ];
}

function text(what: string, rule: TextRule | undefined, got: string): string[] {
  if (rule === undefined) {
    return [];
  }
  const met = rule instanceof RegExp ? rule.test(got) : (typeof rule === "string" ? [rule] : rule).includes(got);
  return met ? [] : [`${what}: expected ${describe(rule)}, got ${JSON.stringify(got)}`];
}

function describe(rule: TextRule): string {
  return rule instanceof RegExp
    ? String(rule)
    : [rule]
        .flat()
        .map((one) => JSON.stringify(one))
        .join(" or ");
}

function code(what: string, rule: Expected["agentCode"], got: number | undefined, began: boolean): string[] {
  if (rule === undefined) {
    return [];
  }
  if (rule === "none") {
    return began ? [`${what}: the container was not to begin, but did`] : [];
  }
  const allowed = typeof rule === "number" ? [rule] : rule;
  return got !== undefined && allowed.includes(got)
    ? []
    : [
        `${what}: expected ${allowed.join(" or ")}, got ${got ?? (began ? "none: it goes on" : "none: it never began")}`,
      ];
}

function time(what: string, rule: TimeRule | undefined, got: number | undefined): string[] {
  if (rule === undefined) {
    return [];
  }
  if (rule === "never") {
    return got === undefined ? [] : [`${what}: expected never, took ${seconds(got)}`];
  }
  if (got === undefined) {
    return [`${what}: expected within ${seconds(rule)}, did not happen`];
  }
  return got <= rule ? [] : [`${what}: expected within ${seconds(rule)}, took ${seconds(got)}`];
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
