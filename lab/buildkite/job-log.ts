import type { FakeJob } from "./job";

/** The agent's own time stamps (`ESC _bk;t=<ms> BEL`), then colours and cursor movements. */
const ESCAPES = /\u001b_bk;[^\u0007]*\u0007|\u001b\[[0-9;?]*[A-Za-z]/g;

/** A job's log as a person reads it: pieces in their order, without time stamps and colours, lines ending in LF. */
export function logOf(job: Pick<FakeJob, "chunks">): string {
  const pieces = [...job.chunks].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
  return Buffer.concat(pieces).toString("utf8").replace(ESCAPES, "").replace(/\r+\n/g, "\n");
}
