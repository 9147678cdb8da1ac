import type { DispatcherProcess } from "./dispatcher-process";

/** Requests to the API server that a dispatcher has made, by its own metrics: all but its lists and watches. */
export async function countRequests({ operationsUrl }: DispatcherProcess): Promise<number> {
  return sumRequests(await (await fetch(`${operationsUrl}/metrics`)).text());
}

/** @param text the dispatcher's metrics. */
export function sumRequests(text: string): number {
  return text
    .split("\n")
    .filter((line) => line.startsWith("buildkite_dispatcher_kubernetes_request_seconds_count"))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
