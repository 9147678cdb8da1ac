import type { LiveState } from "./state";

/** Where a run says what it does. */
export interface LabOutput {
  /** Whether there is a view: it shows counts by itself, and needs no lines about them. */
  readonly live: boolean;
  /** Says one line. */
  readonly print: (line: string) => void;
  /** What the view is to show from now on, besides the lines; asked several times a second. */
  readonly follow: (source: () => Omit<LiveState, "said">) => void;
  /** Ends the view; what is said later stays on the screen as lines. */
  readonly end: () => void;
}

/** Lines only, as for a file. */
export function plainOutput(print: (line: string) => void): LabOutput {
  const nothing = () => undefined;
  return { live: false, print, follow: nothing, end: nothing };
}

/** What is asked of a stream before a view is drawn on it. */
export interface MaybeTerminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/**
 * A view is drawn on terminals that can move their cursor and know their size, and not in CI, whose logs only look like
 * one.
 */
export function wantsView({ isTTY, columns = 0, rows = 0 }: MaybeTerminal, env: NodeJS.ProcessEnv): boolean {
  const set = (value: string | undefined) => value !== undefined && value !== "" && value !== "false";
  return isTTY === true && columns > 0 && rows > 0 && !set(env["CI"]) && env["TERM"] !== "dumb";
}
