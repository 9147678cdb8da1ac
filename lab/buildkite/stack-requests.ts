/** Reads and checks what stacks send. The statuses are the documented ones: 400 for a bad parameter, 422 for a registration. */
import { HttpProblem, jsonObject, type FakeRequest } from "./http-routes";

/** A checked registration. */
export interface StackRegistration {
  readonly key: string;
  readonly type: string;
  readonly queueKey: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Most jobs of one call, and most entries of one page. */
export const BATCH_LIMIT = 1_000;
const KEY = /^[A-Za-z0-9_-]{1,80}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** @throws HttpProblem 422. */
export function readRegistration(request: FakeRequest): StackRegistration {
  const { key, type, queue_key: queueKey, metadata } = jsonObject(request);
  if (typeof key !== "string" || !KEY.test(key)) {
    throw new HttpProblem(422, "key must be 1 to 80 letters, digits, dashes and underscores");
  }
  if (type !== "kubernetes" && type !== "elastic" && type !== "custom") {
    throw new HttpProblem(422, "type must be kubernetes, elastic or custom");
  }
  if (typeof queueKey !== "string" || queueKey === "") {
    throw new HttpProblem(422, "queue_key is required");
  }
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) {
    throw new HttpProblem(422, "metadata is required, an object");
  }
  const entries = Object.entries(metadata);
  const isSound = entries.every(
    ([name, value]) => name.length <= 64 && typeof value === "string" && value.length <= 256,
  );
  if (entries.length > 100 || !isSound) {
    throw new HttpProblem(422, "metadata has at most 100 keys of 64 characters, with texts of at most 256");
  }
  return { key, type, queueKey, metadata: metadata as Record<string, string> };
}

/** `job_uuids` of the body. @throws HttpProblem 400. */
export function readJobUuids(request: FakeRequest): string[] {
  const { job_uuids: uuids } = jsonObject(request);
  if (!Array.isArray(uuids) || !uuids.every((uuid) => typeof uuid === "string" && UUID.test(uuid))) {
    throw new HttpProblem(400, "job_uuids must be a list of UUIDs");
  }
  if (uuids.length > BATCH_LIMIT) {
    throw new HttpProblem(400, `job_uuids has at most ${BATCH_LIMIT} entries, got ${uuids.length}`);
  }
  return uuids as string[];
}

/** An optional number of seconds of the body. @throws HttpProblem 400. */
export function readSeconds(request: FakeRequest, field: string, standard: number, most: number): number {
  const value = jsonObject(request)[field] ?? standard;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > most) {
    throw new HttpProblem(400, `${field} must be an integer from 1 to ${most}`);
  }
  return value;
}

/** `exit_status` and `detail` of a finish. @throws HttpProblem 400. */
export function readFinish(request: FakeRequest): { exitStatus: number; detail: string } {
  const { exit_status: exitStatus = -1, detail } = jsonObject(request);
  if (typeof exitStatus !== "number" || !Number.isInteger(exitStatus)) {
    throw new HttpProblem(400, "exit_status must be an integer");
  }
  if (typeof detail !== "string" || detail === "" || Buffer.byteLength(detail) > 4096) {
    throw new HttpProblem(400, "detail is required, at most 4 KB");
  }
  return { exitStatus, detail };
}

/** The `limit` of a list. @throws HttpProblem 400. */
export function readLimit(request: FakeRequest, standard: number): number {
  const text = request.query.get("limit");
  const limit = text === null ? standard : Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > BATCH_LIMIT) {
    throw new HttpProblem(400, `limit must be an integer from 1 to ${BATCH_LIMIT}`);
  }
  return limit;
}
