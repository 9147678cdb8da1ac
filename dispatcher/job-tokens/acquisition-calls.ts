import type { StacksClient } from "../buildkite/stacks-client";
import { fieldsOf } from "../fields";

type Client = Pick<StacksClient, "call">;

/** What may stand in the agent's configuration file between quotes, whatever Buildkite's tokens are made of. */
const TOKEN = /^[A-Za-z0-9._~+/=-]{8,4096}$/;

/** Keeps jobs for this stack. @returns those that are kept; the others are not to be run by anybody of ours. */
export async function reserve(
  client: Client,
  uuids: readonly string[],
  seconds: number,
  signal: AbortSignal,
): Promise<Set<string>> {
  const body = { job_uuids: uuids, reservation_expiry_seconds: seconds };
  const call = { kind: "reserve", method: "PUT", path: "/scheduled-jobs/batch-reserve", body } as const;
  const reserved = fieldsOf(await client.call(call, signal))["reserved"];
  return new Set(Array.isArray(reserved) ? uuids.filter((uuid) => reserved.includes(uuid)) : []);
}

/** Has a token issued for each of these reserved jobs. @returns by job; one that is missing must not be run. */
export async function issueTokens(
  client: Client,
  uuids: readonly string[],
  seconds: number,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const body = { job_uuids: uuids, token_lifetime_seconds: seconds };
  const call = { kind: "other", method: "POST", path: "/job-acquisition-tokens", body } as const;
  const issued = fieldsOf(await client.call(call, signal))["job_acquisition_tokens"];
  const tokens = new Map<string, string>();
  for (const entry of Array.isArray(issued) ? (issued as unknown[]) : []) {
    const { job_uuid: uuid, job_acquisition_token: token } = fieldsOf(entry);
    if (typeof uuid === "string" && uuids.includes(uuid) && typeof token === "string" && TOKEN.test(token)) {
      tokens.set(uuid, token);
    }
  }
  return tokens;
}
