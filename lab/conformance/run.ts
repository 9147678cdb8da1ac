import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AGENT_CONTAINER, DIND_CONTAINER, jobName } from "../../components/contract";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { logOf, type FakeBuildkite, type FakeJob } from "../buildkite";
import type { RealNode } from "../real-node";
import type { CaseRun } from "./case";
import type { ConformanceCluster } from "./cluster";
import { firstAnswer } from "./docker-ping";
import type { Meeting } from "./meeting";
import type { Mode } from "./modes";
import type { ContainerObservation, Observation } from "./observation";
import { NAMESPACE } from "./template";

const POLL_MS = 20;
const LOG_SECONDS = 60;

/** One case in one mode while it runs. */
export class Run implements CaseRun {
  readonly client: KubernetesClient;
  readonly buildkite: FakeBuildkite;
  readonly namespace = NAMESPACE;
  readonly jobName: string;
  readonly notes: string[] = [];
  readonly faults: string[] = [];
  private readonly ended = new AbortController();
  private actedAt: number | undefined;
  private dockerAnsweredAt: number | undefined;

  constructor(
    private readonly cluster: ConformanceCluster,
    readonly node: RealNode,
    readonly mode: Mode,
    readonly build: FakeJob,
    readonly signal: AbortSignal,
    private readonly meeting: Meeting | undefined,
  ) {
    this.client = cluster.client;
    this.buildkite = cluster.buildkite;
    this.jobName = jobName(build.id);
  }

  pod() {
    return this.cluster.watch.podOf(this.jobName);
  }

  job() {
    return this.cluster.watch.jobOf(this.jobName);
  }

  log(): string {
    return logOf(this.build);
  }

  observe(): Observation {
    const pod = this.pod();
    return {
      mode: this.mode,
      buildkite: this.build,
      agent: this.container(pod?.uid, AGENT_CONTAINER),
      dind: this.container(pod?.uid, DIND_CONTAINER),
      pod,
      job: this.job(),
      actedAt: this.actedAt,
      dockerAnsweredAt: this.dockerAnsweredAt,
      endedAt: Date.now(),
    };
  }

  /** Begins to look for dockerd's first answer. */
  begin(): void {
    const signal = AbortSignal.any([this.signal, this.ended.signal]);
    void this.ping(signal).catch(() => undefined);
  }

  /** Ends what goes on beside the case. */
  end(): void {
    this.ended.abort();
    this.meeting?.leave();
  }

  act(): void {
    this.actedAt = Date.now();
  }

  async containerLog(container: string): Promise<string> {
    const pod = this.pod();
    const kubelet = dirname(this.node.logs[0] ?? "");
    const folder = join(kubelet, "pod-logs", `${NAMESPACE}_${pod?.name ?? ""}_${pod?.uid ?? ""}`, container);
    const files = await readdir(folder).catch(() => []);
    const texts = await Promise.all(files.sort().map((file) => readFile(join(folder, file), "utf8")));
    // Each line is the time, the stream, F or P, and the text.
    return texts.join("").replace(/^\S+ \S+ \S+ /gm, "");
  }

  async until(what: string, seconds: number, condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    while (!(await condition())) {
      if (Date.now() > deadline) {
        throw new Error(`waited ${seconds} s for ${what}`);
      }
      await sleep(POLL_MS, undefined, { signal: this.signal });
    }
  }

  async untilLogged(text: string, seconds = LOG_SECONDS): Promise<void> {
    await this.until(`"${text}" in the build's log`, seconds, () => this.log().includes(`\n${text}`));
  }

  async together(work: () => Promise<void>): Promise<void> {
    const { signal } = this;
    const interrupted = new Promise<never>((_, reject) => {
      const onAbort = (): void => {
        reject(new Error("interrupted while waiting for the other modes"));
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
    await Promise.race([this.meeting === undefined ? work() : this.meeting.together(work), interrupted]);
  }

  private container(uid: string | undefined, name: string): ContainerObservation {
    const times = uid === undefined ? undefined : this.node.containers.of(uid, name);
    const { startedAt, endedAt, exitCode, oomKilled, instance = 0 } = times ?? {};
    return { startedAt, endedAt, exitCode, oomKilled, instances: instance };
  }

  private async ping(signal: AbortSignal): Promise<void> {
    let pid: number | undefined;
    while (pid === undefined && !signal.aborted) {
      const uid = this.pod()?.uid;
      pid = uid === undefined ? undefined : this.node.containers.of(uid, DIND_CONTAINER)?.pid;
      await sleep(POLL_MS / 2, undefined, { signal });
    }
    if (pid !== undefined) {
      const socket = this.mode === "post" ? "/run/docker.sock" : "/run/dind/docker.sock";
      this.dockerAnsweredAt = await firstAnswer(pid, socket, signal);
    }
  }
}
