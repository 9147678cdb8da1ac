import type { DispatcherProcess } from "./dispatcher-process";

/** Requests to the API server that a dispatcher has made, by its own metrics: all but its informers' lists and watches. */
export async function countRequests(dispatcher: DispatcherProcess): Promise<number> {
  return sumOf(await readMetrics(dispatcher), "buildkite_dispatcher_kubernetes_request_seconds_count");
}

/** Live Jobs that a dispatcher sees. */
export async function countInFlight(dispatcher: DispatcherProcess): Promise<number> {
  return sumOf(await readMetrics(dispatcher), "buildkite_dispatcher_jobs_in_flight");
}

/** CPU time that a dispatcher has used. */
export async function cpuSeconds(dispatcher: DispatcherProcess): Promise<number> {
  return sumOf(await readMetrics(dispatcher), "process_cpu_seconds_total");
}

/** The sum of a metric over its labels. @param text in Prometheus' format. */
export function sumOf(text: string, name: string): number {
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

async function readMetrics({ operationsUrl }: DispatcherProcess): Promise<string> {
  return await (await fetch(`${operationsUrl}/metrics`)).text();
}
