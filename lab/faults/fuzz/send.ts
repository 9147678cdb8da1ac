import { Agent, request } from "node:http";
import type { FuzzedRequest } from "./mutate-request";

/** Longer than the dispatcher lets any request be. */
const TIMEOUT_MS = 20_000;
/** A request that is cut short is given so long to arrive. */
const CUT_AFTER_MS = 20;

/** Connections that are kept, and one for each request after which a connection is of no use. */
export class FuzzConnections {
  private readonly kept = new Agent({ keepAlive: true });

  close(): void {
    this.kept.destroy();
  }

  /** Sends it; returns the answer's status, or what went wrong instead of an answer. */
  async send(url: string, fuzzed: FuzzedRequest): Promise<number | string> {
    const { method, path, headers, body, isCut, mayGoUnanswered } = fuzzed;
    return await new Promise((resolve) => {
      const message = request(`${url}${path}`, {
        ...{ method, headers, timeout: TIMEOUT_MS, agent: mayGoUnanswered ? false : this.kept },
      });
      const done = (result: number | string): void => {
        clearTimeout(cut);
        resolve(result);
      };
      message.once("timeout", () => {
        message.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`));
      });
      message.on("error", (error) => {
        done(error.message);
      });
      message.once("response", (response) => {
        response.on("error", () => undefined).resume();
        response.once("close", () => {
          done(response.statusCode ?? 0);
        });
      });
      let cut: NodeJS.Timeout | undefined;
      if (isCut) {
        message.write(body);
        cut = setTimeout(() => message.destroy(new Error("cut")), CUT_AFTER_MS);
      } else {
        message.end(body);
      }
    });
  }
}
