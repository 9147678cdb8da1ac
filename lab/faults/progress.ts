import type { FaultRow } from "./row";
import type { FaultSystem } from "./system";

/** Where lines go; a terminal also shows one that changes. */
export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** On a terminal the line changes so often; else a new one is printed so often. */
const TERMINAL_MS = 1_000;
const PLAIN_MS = 30_000;
/** Back to the line's begin, and nothing right of it. */
const CLEAR_LINE = "\r\u001b[K";

/** Shows that a row is running and how far it is, until there is its result. */
export class RowProgress {
  private readonly began = Date.now();
  private readonly timer: NodeJS.Timeout;
  private system: FaultSystem | undefined;

  /**
   * @param position such as `3 of 30`.
   * @param screen where it is shown.
   */
  constructor(
    private readonly row: Pick<FaultRow, "name">,
    private readonly position: string,
    private readonly screen: Screen,
  ) {
    this.show();
    this.timer = setInterval(
      () => {
        this.show();
      },
      screen.isTTY === true ? TERMINAL_MS : PLAIN_MS,
    );
  }

  /** From now on it tells of the builds in it. */
  follow(system: FaultSystem): void {
    this.system = system;
  }

  /** Ends it; on a terminal its line is gone. */
  stop(): void {
    clearInterval(this.timer);
    if (this.screen.isTTY === true) {
      this.screen.write(CLEAR_LINE);
    }
  }

  private show(): void {
    const line = progressLine(this.row.name, this.position, (Date.now() - this.began) / 1000, this.system?.standing());
    this.screen.write(this.screen.isTTY === true ? `${CLEAR_LINE}${line}` : `${line}\n`);
  }
}

/** How far a row is. */
export interface Standing {
  readonly scheduled: number;
  /** Finished or canceled. */
  readonly over: number;
  readonly complaints: number;
}

/** One line of at most 80 characters for usual numbers. */
export function progressLine(name: string, position: string, seconds: number, standing: Standing | undefined): string {
  const builds = standing === undefined ? "starting" : `${standing.over} of ${standing.scheduled} over`;
  const wrong = standing === undefined || standing.complaints === 0 ? "" : `, ${standing.complaints} complaints`;
  return `  ${position}: ${name}: ${Math.round(seconds)} s, ${builds}${wrong}`;
}
