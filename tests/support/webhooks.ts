import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";

/** The secret of the published vectors, and of every dispatcher in the tests. */
export const SECRET = "29b1ff5779c76bd48ba6705eb99ff970";

/** Reads one of the two signed bodies, byte for byte. */
export function vector(name: "webhook-hmac-vector.body.json" | "job.scheduled.example.json"): Buffer {
  return readFileSync(join(__dirname, "..", "vectors", name));
}

/** What a test says of the job; the rest is the documented example's. */
export interface ScheduledFields {
  uuid?: string;
  queue?: string;
  rules?: unknown;
  type?: unknown;
  event?: unknown;
  clusterId?: string | null;
  runnableAt?: Date | string | null;
}

/** A `job.scheduled` body. */
export function scheduledBody(fields: ScheduledFields = {}): Buffer {
  const example = JSON.parse(vector("job.scheduled.example.json").toString("utf8")) as Record<string, object>;
  const runnableAt = fields.runnableAt instanceof Date ? fields.runnableAt.toISOString() : fields.runnableAt;
  const changed = {
    ...example,
    event: fields.event ?? "job.scheduled",
    job: {
      ...example["job"],
      id: fields.uuid ?? randomUUID(),
      type: fields.type ?? "script",
      agent_query_rules: fields.rules ?? [`queue=${fields.queue ?? "k8s"}`],
      ...(fields.clusterId === undefined ? {} : { cluster_id: fields.clusterId }),
      runnable_at: runnableAt === undefined ? new Date().toISOString() : runnableAt,
    },
  };
  return Buffer.from(JSON.stringify(changed));
}

/** The header for a body that is sent now, or `ageSeconds` ago. */
export function signed(body: Buffer, secret = SECRET, ageSeconds = 0): string {
  const timestamp = Math.floor(Date.now() / 1000) - ageSeconds;
  const signature = createHmac("sha256", secret).update(`${timestamp}.`).update(body).digest("hex");
  return `timestamp=${timestamp},signature=${signature}`;
}

export interface Reply {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
  /** The `outcome` of a JSON answer. */
  outcome: string | undefined;
}

/** Sends a request to a dispatcher. */
export function send(
  url: string,
  options: { method?: string; body?: Buffer; headers?: http.OutgoingHttpHeaders; agent?: http.Agent } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { method = "GET", body, headers = {}, agent } = options;
    const request = http.request(url, { method, headers: { ...headers }, agent });
    request.once("error", reject);
    request.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("error", reject);
      response.once("end", () => {
        const status = response.statusCode ?? 0;
        const isJson = response.headers["content-type"] === "application/json" && text !== "";
        const outcome = isJson ? (JSON.parse(text) as { outcome?: string }).outcome : undefined;
        resolve({ status, headers: response.headers, text, outcome });
      });
    });
    request.end(body);
  });
}

/** Sends a signed webhook. */
export function deliver(url: string, body: Buffer, agent?: http.Agent): Promise<Reply> {
  const headers = {
    "content-type": "application/json",
    "x-buildkite-event": "job.scheduled",
    "x-buildkite-signature": signed(body),
  };
  return send(`${url}/webhook`, { method: "POST", body, headers, agent });
}
