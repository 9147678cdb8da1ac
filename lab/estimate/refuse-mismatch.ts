import type { History } from "./history";
import type { EstimateOptions } from "./options";
import { slackMs } from "./scenario";

const DAY_MS = 24 * 3_600_000;

/**
 * Refuses options that do not fit the file: taken as they are, they would change the figures and say nothing.
 *
 * @throws RangeError
 */
export function refuseMismatch({ jobs }: History, { queues, assumptions }: EstimateOptions): void {
  const there = new Set(jobs.map(({ queue }) => queue));
  const refuseUnknown = (name: string, asked: readonly string[]): void => {
    const unknown = asked.filter((queue) => !there.has(queue));
    if (unknown.length > 0) {
      throw new RangeError(
        `${name} must be a queue of the file (${[...there].sort().join(", ")}), got ${unknown.join(", ")}`,
      );
    }
  };
  refuseUnknown("--queue", queues);
  refuseUnknown(
    "QUEUE of --requests",
    [...assumptions.requests.keys()].filter((queue) => queue !== ""),
  );
  refuseTooFewDays(jobs, assumptions.historyDays);
}

/** Builds that were made within the days may go on a little after them: hence the slack. */
function refuseTooFewDays(jobs: History["jobs"], historyDays: number | undefined): void {
  const apart = (jobs.at(-1)?.runnableAt ?? 0) - (jobs[0]?.runnableAt ?? 0);
  if (historyDays !== undefined && historyDays * DAY_MS + slackMs(historyDays) < apart) {
    throw new RangeError(
      `--history-days must not be less than from the file's first job to its last (${(apart / DAY_MS).toFixed(1)} days), ` +
        `got ${historyDays}: give the days that the export covers, or leave it out`,
    );
  }
}
