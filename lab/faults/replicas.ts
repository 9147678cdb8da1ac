import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { DispatcherProcess } from "../bench/dispatcher-process";

const SAMPLE_MS = 500;
const READY_SECONDS = 30;

/**
 * The dispatcher's replicas as processes, with what a Deployment and a Service would do for them: webhooks go to those that
 * are ready, and to a killed one until it is replaced (the sender meets a closed port and takes the next).
 */
export class Replicas {
  /** Most memory (resident) that one process ever had. */
  peakMiB = 0;
  /** How many processes ended without having been told to. */
  crashes = 0;
  /** Pids of those that were told to end, or have crashed. */
  private readonly ended = new Set<number>();
  private readonly processes = new Map<number, DispatcherProcess>();
  private readonly targets = new Map<number, string>();
  private readonly sampling: NodeJS.Timeout;

  /**
   * @param launch starts the bundle as the replica of that number.
   * @param onTargets hears where webhooks go, each time that changes.
   */
  constructor(
    private readonly launch: (replica: number) => Promise<DispatcherProcess>,
    private readonly onTargets: (urls: readonly string[]) => void,
    private readonly signal: AbortSignal,
  ) {
    this.sampling = setInterval(() => {
      void this.sample();
    }, SAMPLE_MS);
  }

  /** Starts replicas and waits until each is ready. */
  async start(...replicas: readonly number[]): Promise<void> {
    await Promise.all(
      replicas.map(async (replica) => {
        await this.processes.get(replica)?.remove();
        const started = await this.launch(replica);
        this.processes.set(replica, started);
        await this.untilReady(started);
        this.targets.set(replica, started.url);
      }),
    );
    this.onTargets([...this.targets.values()]);
  }

  /** Sends replicas a signal and waits for their end. */
  async end(signal: "SIGTERM" | "SIGKILL", ...replicas: readonly number[]): Promise<void> {
    await this.sample();
    const ending = [...this.processes].filter(([replica]) => replicas.includes(replica)).map(([, process]) => process);
    ending.forEach(({ pid }) => this.ended.add(pid));
    await Promise.all(ending.map((process) => process.end(signal)));
  }

  /** Webhooks go to the others from now on, as when a Service drops an endpoint. */
  takeOut(replica: number): void {
    this.targets.delete(replica);
    this.onTargets([...this.targets.values()]);
  }

  /** Stops a replica as it stands (SIGSTOP); its port still takes connections. */
  pause(replica: number): void {
    this.signalTo(replica, "SIGSTOP");
  }

  /** Lets it go on. */
  resume(replica: number): void {
    this.signalTo(replica, "SIGCONT");
  }

  /** Where webhooks go now. */
  urls(): string[] {
    return [...this.targets.values()];
  }

  /** Jobs that those that run hold in memory, all together. @throws when one cannot be asked. */
  async held(): Promise<number> {
    const running = [...this.processes.values()].filter(({ pid }) => !this.ended.has(pid));
    const statuses = await Promise.all(
      running.map(async ({ operationsUrl }) => {
        const answer = await fetch(`${operationsUrl}/status`, { signal: this.signal });
        return (await answer.json()) as { held: { jobs: number } };
      }),
    );
    return statuses.reduce((sum, { held }) => sum + held.jobs, 0);
  }

  /** The processes themselves, in the order in which they were started first. */
  list(): DispatcherProcess[] {
    return [...this.processes.values()];
  }

  /** Everything that all of them have logged and that is still held, oldest first within a replica. */
  log(): Readonly<Record<string, unknown>>[] {
    return [...this.processes.values()].flatMap(({ log }) => log);
  }

  /** Looks at memory now; returns {@link peakMiB}. */
  async measure(): Promise<number> {
    await this.sample();
    return this.peakMiB;
  }

  /** Kills all and removes their files. */
  async remove(): Promise<void> {
    clearInterval(this.sampling);
    await this.sample();
    await Promise.all([...this.processes.values()].map((process) => process.remove()));
  }

  private signalTo(replica: number, signal: "SIGSTOP" | "SIGCONT"): void {
    const pid = this.processes.get(replica)?.pid;
    if (pid !== undefined && !this.ended.has(pid)) {
      process.kill(pid, signal);
    }
  }

  private async untilReady({ url }: DispatcherProcess): Promise<void> {
    const within = AbortSignal.any([this.signal, AbortSignal.timeout(READY_SECONDS * 1000)]);
    while ((await fetch(`${url}/readyz`, { signal: within })).status !== 200) {
      await sleep(50, undefined, { signal: within });
    }
  }

  /** The kernel keeps each process's own peak: what lies between two samples is not missed, only a process's last moments. */
  private async sample(): Promise<void> {
    for (const { pid } of this.processes.values()) {
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      if (status === "" && !this.ended.has(pid)) {
        this.ended.add(pid);
        this.crashes += 1;
      }
      const peak = Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0);
      this.peakMiB = Math.max(this.peakMiB, Math.round(peak / 1024));
    }
  }
}
