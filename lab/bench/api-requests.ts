import { get } from "node:https";
import type { AdministratorAccess } from "../control-plane";

/** What belongs to builds: other requests are the control plane's own. */
const RESOURCES: ReadonlySet<string> = new Set(["jobs", "pods", "podtemplates", "events"]);

/**
 * Requests for Jobs, pods, PodTemplates and events that the API server has answered since it was started, by its own
 * count, whoever asked. A watch counts when it ends: those that go on are not among them.
 */
export async function countApiRequests(access: AdministratorAccess): Promise<number> {
  return sumApiRequests(await readMetrics(access));
}

/** Sums `apiserver_request_total` over {@link RESOURCES}. @param text the API server's metrics. */
export function sumApiRequests(text: string): number {
  let sum = 0;
  for (const line of text.split("\n")) {
    const resource = line.startsWith("apiserver_request_total{") ? /[{,]resource="([^"]*)"/.exec(line)?.[1] : undefined;
    if (resource !== undefined && RESOURCES.has(resource)) {
      sum += Number(line.slice(line.lastIndexOf(" ") + 1));
    }
  }
  return sum;
}

function readMetrics({ server, caPem, clientCertPem, clientKeyPem }: AdministratorAccess): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { ca: caPem, cert: clientCertPem, key: clientKeyPem, agent: false, timeout: 10_000 };
    const request = get(new URL("/metrics", server), options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        if (response.statusCode === 200) {
          resolve(Buffer.concat(chunks).toString("utf8"));
        } else {
          reject(new Error(`the API server's metrics were answered ${String(response.statusCode)}`));
        }
      });
    });
    request.once("timeout", () => request.destroy(new Error("the API server's metrics took more than 10 s")));
    request.once("error", reject);
  });
}
