import type { Board } from "./board";
import { HttpProblem, jsonObject, type FakeRequest } from "./http-routes";
import { BATCH_LIMIT } from "./stack-requests";

const PER_JOB = 100;
const AFTER_FINISH_MS = 300_000;

/**
 * Stores what is right of a batch of notifications and says what is wrong with the rest, by index.
 *
 * @throws HttpProblem 400 for a body that is no batch.
 */
export function storeNotifications(board: Board, request: FakeRequest): { error: string; indexes: number[] }[] {
  const { notifications } = jsonObject(request);
  if (!Array.isArray(notifications) || notifications.length > BATCH_LIMIT) {
    throw new HttpProblem(400, `notifications must be a list of at most ${BATCH_LIMIT} entries`);
  }
  const errors = new Map<string, number[]>();
  for (const [index, notification] of (notifications as unknown[]).entries()) {
    const error = store(board, notification);
    if (error !== undefined) {
      errors.set(error, [...(errors.get(error) ?? []), index]);
    }
  }
  return [...errors].map(([error, indexes]) => ({ error, indexes }));
}

function store(board: Board, notification: unknown): string | undefined {
  const { job_uuid: id, detail, timestamp } = (notification ?? {}) as Record<string, unknown>;
  const job = board.jobs.get(String(id));
  const now = Date.now();
  const at = timestamp === undefined ? now : typeof timestamp === "string" ? Date.parse(timestamp) : Number.NaN;
  if (job === undefined) {
    return "job not found";
  }
  if (typeof detail !== "string" || detail === "") {
    return "detail is required";
  }
  if (Array.from(detail).length > 256) {
    return "detail is too long";
  }
  if (!(at <= now && at >= job.scheduledAt)) {
    return "timestamp must be between the job's creation and now";
  }
  if (job.finishedAt !== undefined && now - job.finishedAt > AFTER_FINISH_MS) {
    return "job finished too long ago";
  }
  if (job.notifications.length >= PER_JOB) {
    return "job stack notification count exceeded";
  }
  job.notifications.push({ at, detail });
  return undefined;
}
