import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Containerd } from "./containerd";

/** One container's life, as containerd saw it. Times in milliseconds since 1970, with fractions. */
export interface ContainerTimes {
  /** containerd's. */
  id: string;
  /** Counted from 1: a container that is started again is another one of the same name. */
  instance: number;
  /** The id of its first process in the lab's process namespace. */
  pid?: number;
  startedAt?: number;
  endedAt?: number;
  exitCode?: number;
  /** Whether the kernel killed a process of it for want of memory. */
  oomKilled?: boolean;
}

/** Hears of every start and end. */
export type ContainerListener = (podUid: string, container: string, times: ContainerTimes) => void;

interface Known {
  podUid: string;
  container: string;
  times: ContainerTimes;
}

const linePattern = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)? \+0000 UTC \S+ (\/\S+) (\{.*\})$/;

/** One line of `ctr events`; undefined for one that says something else. */
export function parseEvent(line: string): { at: number; topic: string; body: Record<string, unknown> } | undefined {
  const [, date, time, fraction = "", topic, body] = linePattern.exec(line) ?? [];
  if (date === undefined || time === undefined || topic === undefined || body === undefined) return undefined;
  try {
    const at = milliseconds(`${date}T${time}`, fraction);
    return { at, topic, body: JSON.parse(body) as Record<string, unknown> };
  } catch {
    return undefined;
  }
}

/** Nanoseconds do not fit a Date: whole seconds and the fraction are read apart. */
function milliseconds(wholeSeconds: string, fraction: string): number {
  return Date.parse(`${wholeSeconds}Z`) + Number(`0${fraction === "" ? ".0" : fraction}`) * 1000;
}

/** An RFC 3339 time in UTC with any number of digits after the point. */
function parseTime(text: string): number | undefined {
  const [, whole, fraction = ""] = /^([^.Z]+)(\.\d+)?Z$/.exec(text) ?? [];
  return whole === undefined ? undefined : milliseconds(whole, fraction);
}

/**
 * Starts and ends of all containers of a node, by containerd's own events: exact, where the kubelet's status has whole
 * seconds and comes up to a second late.
 */
export class ContainerEvents {
  readonly #containerd: Containerd;
  readonly #onError: (error: Error) => void;
  readonly #byId = new Map<string, Promise<Known | undefined>>();
  readonly #latest = new Map<string, ContainerTimes>();
  readonly #counts = new Map<string, number>();
  readonly #listeners = new Set<ContainerListener>();
  #child: ChildProcess | undefined;
  #stopped = false;

  constructor(containerd: Containerd, onError: (error: Error) => void) {
    this.#containerd = containerd;
    this.#onError = onError;
  }

  /** Before the first container is started: what was missed is not asked for. */
  start(): void {
    const { path, arguments: to } = this.#containerd.ctr;
    const child = spawn(path, [...to, "events"], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
    this.#child = child;
    child.on("error", this.#onError);
    child.once("exit", () => {
      if (!this.#stopped)
        this.#onError(new Error("ctr events ended: starts and ends of containers are no longer seen"));
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.#heard(line);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  /** The latest instance of a container. */
  of(podUid: string, container: string): ContainerTimes | undefined {
    return this.#latest.get(`${podUid}/${container}`);
  }

  /** @returns ends the listening. */
  onChange(listener: ContainerListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #heard(line: string): void {
    const event = parseEvent(line);
    if (event === undefined) return;
    const { at, topic, body } = event;
    const id = body["container_id"];
    if (typeof id !== "string") return;
    // What this container is must be read while it is there; its events then take effect in their order.
    let known = this.#byId.get(id);
    if (known === undefined) {
      known = this.#identify(id);
      this.#byId.set(id, known);
    }
    known
      .then((one) => {
        if (one !== undefined) this.#apply(one, at, topic, body);
      })
      .catch((error: unknown) => {
        this.#onError(error instanceof Error ? error : new Error(String(error)));
      });
  }

  #apply({ podUid, container, times }: Known, at: number, topic: string, body: Record<string, unknown>): void {
    if (topic === "/tasks/start") {
      times.startedAt = at;
      times.pid = Number(body["pid"]);
    } else if (topic === "/tasks/exit" && (body["id"] ?? times.id) === times.id) {
      const exitedAt = body["exited_at"];
      times.endedAt = (typeof exitedAt === "string" ? parseTime(exitedAt) : undefined) ?? at;
      times.exitCode = Number(body["exit_status"] ?? 0);
    } else if (topic === "/tasks/oom") {
      times.oomKilled = true;
    } else {
      return;
    }
    for (const listener of this.#listeners) listener(podUid, container, times);
  }

  /** Undefined for a pod's sandbox. */
  async #identify(id: string): Promise<Known | undefined> {
    const labels = await this.#labels(id);
    const podUid = labels["io.kubernetes.pod.uid"];
    const container = labels["io.kubernetes.container.name"];
    if (podUid === undefined || container === undefined) return undefined;
    const name = `${podUid}/${container}`;
    const instance = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, instance);
    const times: ContainerTimes = { id, instance };
    this.#latest.set(name, times);
    return { podUid, container, times };
  }

  async #labels(id: string): Promise<Record<string, string | undefined>> {
    try {
      // Cheaper than asking: the specification that runc was given lies on disk while the container runs.
      const text = await readFile(join(this.#containerd.bundle(id), "config.json"), "utf8");
      const { annotations = {} } = JSON.parse(text) as { annotations?: Record<string, string | undefined> };
      return {
        "io.kubernetes.pod.uid": annotations["io.kubernetes.cri.sandbox-uid"],
        "io.kubernetes.container.name": annotations["io.kubernetes.cri.container-name"],
      };
    } catch {
      const information = await this.#containerd.run(["containers", "info", id]).catch(() => "{}");
      return (JSON.parse(information) as { Labels?: Record<string, string> }).Labels ?? {};
    }
  }
}
