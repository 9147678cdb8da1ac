import type { FakeBuildkite } from "../buildkite";

/** What is wrong where every real webhook had to be served: how many were not, and how they ended; else nothing. */
export function notServed(fake: Pick<FakeBuildkite, "jobs">): string[] {
  const ends = new Map<string, number>();
  let count = 0;
  for (const { webhooks } of fake.jobs()) {
    for (const { status, error } of webhooks) {
      if (status === undefined || status < 200 || status > 299) {
        const end = status === undefined ? (error ?? "no answer") : String(status);
        ends.set(end, (ends.get(end) ?? 0) + 1);
        count += 1;
      }
    }
  }
  const listed = [...ends].map(([end, times]) => `${end}: ${times}`).join(", ");
  return count === 0 ? [] : [`${count} real webhooks were not served (${listed})`];
}
