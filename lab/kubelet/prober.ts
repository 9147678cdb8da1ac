import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Probe } from "./pod";

/** Where a probe goes once its port is known. */
export interface ProbeTarget {
  readonly host: string;
  /** A port's name or number, as written in the probe, to the real port. */
  readonly port: (port: string | number) => number;
}

/** Runs one HTTP probe as a kubelet does, again and again, and tells when its verdict changes. */
export class Prober {
  private timer: NodeJS.Timeout | undefined;
  private inRow = 0;
  private lastGood: boolean | undefined;
  private stopped = false;

  /**
   * @param verdict before the first result: false for readiness, true for liveness.
   * @param onVerdict hears each change, with the last failure in words.
   */
  constructor(
    private readonly probe: Probe,
    private readonly target: ProbeTarget,
    private verdict: boolean,
    private readonly onVerdict: (good: boolean, reason: string) => void,
  ) {}

  /** Begins, after the initial delay. */
  start(): void {
    // A kubelet's first readiness probe comes at once when there is no delay.
    this.plan((this.probe.initialDelaySeconds ?? 0) * 1000);
  }

  /** Ends; no verdict comes any more. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private plan(ms: number): void {
    this.timer = setTimeout(() => {
      void this.run();
    }, ms);
  }

  private async run(): Promise<void> {
    const failure = await this.ask().catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    if (this.stopped) {
      return;
    }
    const good = failure === undefined;
    this.inRow = good === this.lastGood ? this.inRow + 1 : 1;
    this.lastGood = good;
    const needed = good ? (this.probe.successThreshold ?? 1) : (this.probe.failureThreshold ?? 3);
    if (good !== this.verdict && this.inRow >= needed) {
      this.verdict = good;
      this.onVerdict(good, failure ?? "");
    }
    const period = (this.probe.periodSeconds ?? 10) * 1000;
    // Until the first success a container is looked at more often, so that a ready pod is not kept waiting.
    this.plan(good || this.verdict ? period : Math.min(period, 250));
  }

  /** undefined is success, text is why not. */
  private async ask(): Promise<string | undefined> {
    const get = this.probe.httpGet;
    if (get === undefined) {
      return "only httpGet probes are supported by this stand-in";
    }
    const secure = get.scheme === "HTTPS";
    const timeout = (this.probe.timeoutSeconds ?? 1) * 1000;
    return await new Promise<string | undefined>((resolve, reject) => {
      const message = (secure ? httpsRequest : httpRequest)(
        {
          host: this.target.host,
          port: this.target.port(get.port),
          path: get.path ?? "/",
          method: "GET",
          agent: false,
          timeout,
          headers: {
            "User-Agent": "kube-probe/1.36",
            ...Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }) => [name, value])),
          },
          // A kubelet does not check the certificate either.
          ...(secure ? { rejectUnauthorized: false } : {}),
        },
        (response) => {
          response.resume();
          const status = response.statusCode ?? 0;
          resolve(status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`);
        },
      );
      message.on("timeout", () => {
        message.destroy(new Error(`no answer within ${timeout} ms`));
      });
      message.on("error", reject);
      message.end();
    });
  }
}
