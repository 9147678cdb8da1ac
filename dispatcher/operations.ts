import type { IncomingMessage, ServerResponse } from "node:http";
import type { Metrics } from "./metrics";

export interface OperationsOptions {
  metrics: Metrics;
  /** How things stand, for a person. */
  status: () => Record<string, unknown>;
  /** Why the process should get no webhooks just now; empty: it should. */
  faults: () => string[];
}

/** Answers `/metrics`, `/status` and the probes. */
export function operationsHandler({ metrics, status, faults }: OperationsOptions) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = pathOf(request);
    if (path === "/metrics") {
      response.writeHead(200, { "content-type": metrics.registry.contentType }).end(await metrics.registry.metrics());
    } else if (path === "/status") {
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(`${JSON.stringify(status(), undefined, 2)}\n`);
    } else {
      answerProbe(request, response, faults);
    }
  };
}

/** Answers `/healthz` and `/readyz`; 404 for everything else. */
export function answerProbe(request: IncomingMessage, response: ServerResponse, faults: () => string[]): void {
  const path = pathOf(request);
  if (path === "/healthz") {
    response.writeHead(200).end("ok\n");
  } else if (path === "/readyz") {
    const found = faults();
    response.writeHead(found.length === 0 ? 200 : 503).end(found.length === 0 ? "ok\n" : `${found.join(", ")}\n`);
  } else {
    response.writeHead(404).end();
  }
}

/** Without the query. */
export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? "";
  const end = url.indexOf("?");
  return end < 0 ? url : url.slice(0, end);
}
