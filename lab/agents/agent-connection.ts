import { Agent, request } from "node:http";

/** An answer of the agent API. */
export interface AgentAnswer {
  readonly status: number;
  /** The decoded body; an empty object for none. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Seconds, where the server said so. */
  readonly retryAfter: number | undefined;
}

/** What a call may carry. */
export interface AgentCall {
  readonly token: string;
  readonly json?: unknown;
  readonly raw?: { readonly bytes: Buffer; readonly headers: Readonly<Record<string, string>> };
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Connections to Buildkite that all simulated agents share: hundreds of real agents would have one each. */
export class AgentConnection {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 256 });

  /** Ends idle connections. */
  close(): void {
    this.agent.destroy();
  }

  /** One call. @throws the network's error. */
  async call(endpoint: string, method: string, path: string, call: AgentCall): Promise<AgentAnswer> {
    const bytes = call.raw?.bytes ?? (call.json === undefined ? undefined : Buffer.from(JSON.stringify(call.json)));
    return await new Promise<AgentAnswer>((resolve, reject) => {
      const message = request(
        `${endpoint.replace(/\/$/, "")}${path}`,
        {
          method,
          agent: this.agent,
          signal: call.signal,
          headers: {
            Authorization: `Token ${call.token}`,
            "User-Agent": "buildkite-agent/3.130.0.simulated (linux; amd64)",
            ...(bytes === undefined ? {} : { "Content-Length": bytes.length }),
            ...(call.json === undefined ? {} : { "Content-Type": "application/json" }),
            ...call.raw?.headers,
            ...call.headers,
          },
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part: Buffer) => parts.push(part));
          response.on("error", reject);
          response.on("end", () => {
            const after = Number(response.headers["retry-after"]);
            resolve({
              status: response.statusCode ?? 0,
              body: decode(Buffer.concat(parts).toString("utf8")),
              retryAfter: Number.isFinite(after) ? after : undefined,
            });
          });
        },
      );
      message.on("error", reject);
      message.end(bytes);
    });
  }
}

function decode(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
