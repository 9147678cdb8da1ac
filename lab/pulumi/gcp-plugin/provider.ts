import { request as httpRequest } from "node:http";
import type { GcpCall } from "../../gcp";
import type { WireDiff } from "../../gcp/project";
import type { Properties } from "../provider-protocol/property-values";
import type * as protocol from "../provider-protocol/provider";

/**
 * The gcp plugin double: Pulumi's protocol on one side, the lab's Google (`FakeGcp`) over HTTP on the other. All rules
 * are there; what it models and what it does not prove is written at `FakeGcp`.
 */
export class GcpProvider implements protocol.ResourceProvider {
  readonly name = "gcp";
  readonly version = process.env["LAB_PLUGIN_VERSION"] ?? "0.0.0";
  readonly #url: string;
  readonly #cancelled = new AbortController();
  #config: Properties = {};

  constructor(url: string) {
    this.#url = url;
  }

  checkConfig(request: protocol.CheckRequest): Promise<protocol.CheckResult> {
    return Promise.resolve({ inputs: request.news, failures: [] });
  }

  diffConfig(): Promise<protocol.DiffResult> {
    // As the real provider: its configuration says where to look, not what exists, so nothing is replaced.
    return Promise.resolve({ differences: new Map(), replaces: [], deleteBeforeReplace: false });
  }

  configure(config: Properties): Promise<void> {
    this.#config = config;
    return Promise.resolve();
  }

  invoke(token: string, args: Properties): Promise<Properties> {
    return this.#call({ method: "invoke", request: { token, args } });
  }

  check(request: protocol.CheckRequest): Promise<protocol.CheckResult> {
    const randomSeed = Buffer.from(request.randomSeed).toString("hex");
    return this.#call({ method: "check", request: { ...request, randomSeed } });
  }

  async diff(request: protocol.DiffRequest): Promise<protocol.DiffResult> {
    const result = await this.#call<WireDiff>({ method: "diff", request });
    return { ...result, differences: new Map(result.differences) };
  }

  create(request: protocol.CreateRequest): Promise<{ id: string; state: Properties }> {
    return this.#call({ method: "create", request });
  }

  async read(request: protocol.ReadRequest) {
    const found = await this.#call<{ id: string; state: Properties; inputs: Properties } | null>({
      method: "read",
      request,
    });
    return found ?? undefined;
  }

  update(request: protocol.UpdateRequest): Promise<{ state: Properties }> {
    return this.#call({ method: "update", request });
  }

  async delete(request: protocol.DeleteRequest): Promise<void> {
    // Google drains a pool's nodes first. Half an hour is the real provider's default.
    const seconds = request.timeoutSeconds > 0 ? request.timeoutSeconds : 1800;
    const limit = AbortSignal.timeout(seconds * 1000);
    try {
      await this.#call({ method: "delete", request }, limit);
    } catch (error) {
      const text = `timeout while waiting for ${request.id} to be deleted (timeout: ${seconds}s)`;
      throw limit.aborted ? new Error(text, { cause: error }) : error;
    }
  }

  cancel(): void {
    this.#cancelled.abort(new Error("cancelled"));
  }

  // Not fetch: that gives up after five minutes without an answer, and a pool with a running build may take longer.
  #call<Result>(call: GcpCall, limit?: AbortSignal): Promise<Result> {
    const signal = limit === undefined ? this.#cancelled.signal : AbortSignal.any([this.#cancelled.signal, limit]);
    return new Promise((resolve, reject) => {
      const request = httpRequest(this.#url, { method: "POST", signal }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const answer = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { result: Result; error?: string };
          if (answer.error === undefined) {
            resolve(answer.result);
          } else {
            reject(new Error(answer.error));
          }
        });
      });
      request.once("error", reject);
      request.end(JSON.stringify({ ...call, config: this.#config }));
    });
  }
}
