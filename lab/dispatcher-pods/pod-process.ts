import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { ContainerConfigError } from "../kubelet/keyed-objects";
import { expand } from "../kubelet/environment";
import type { Container } from "../kubelet/pod";
import type { ContainerRuntime } from "./image-node";

/** What one container's process is started with. */
export interface ProcessStart {
  readonly container: Container;
  readonly environment: Readonly<Record<string, string>>;
  /** Mount path to the folder that stands for it. */
  readonly mounts: ReadonlyMap<string, string>;
  readonly ports: ReadonlyMap<string, number>;
  readonly runtime: ContainerRuntime;
  readonly workingFolder: string;
  readonly logPath: string;
  readonly hostname: string;
  readonly apiServer: { readonly host: string; readonly port: string };
}

/** How a process ended, as a container's status says it. */
export interface ProcessEnd {
  /** 128 plus the signal's number after a signal. */
  readonly exitCode: number;
}

/** The variable that sets each named port, where the container listens. */
const PORT_VARIABLES: Readonly<Record<string, string>> = { webhook: "PORT", operations: "OPERATIONS_PORT" };
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/**
 * The container's command as a process of this host. Differences from a container, all of them: no image and no
 * namespaces; paths under a mount path are replaced by the folder that stands for the mount; the two ports are free ones
 * of loopback instead of the fixed ones, and it listens there only.
 */
export class PodProcess {
  readonly ended: Promise<ProcessEnd>;
  readonly startedAt = Date.now();
  private readonly child: ChildProcess;
  private readonly log: WriteStream;

  constructor(start: ProcessStart) {
    const [program, ...args] = commandOf(start);
    this.log = createWriteStream(start.logPath, { flags: "a" });
    const { user } = start.runtime;
    this.child = spawn(program, args, {
      cwd: start.workingFolder,
      env: environmentOf(start),
      stdio: ["ignore", "pipe", "pipe"],
      ...(user === undefined ? {} : { uid: user, gid: user }),
    });
    this.child.stdout?.pipe(this.log, { end: false });
    this.child.stderr?.pipe(this.log, { end: false });
    this.ended = new Promise<ProcessEnd>((resolve) => {
      this.child.on("error", (error) => {
        this.log.write(`${error.message}\n`);
        this.log.end(() => {
          resolve({ exitCode: 128 });
        });
      });
      // "close" comes when the output has been read to its end as well.
      this.child.on("close", (code, signal) => {
        this.log.end(() => {
          resolve({ exitCode: code ?? 128 + (SIGNALS[signal ?? ""] ?? 0) });
        });
      });
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** The process's command line, for whoever searches it for secrets. */
  get commandLine(): readonly string[] {
    return this.child.spawnargs;
  }

  /** Sends a signal, if it still runs. */
  signal(signal: "SIGTERM" | "SIGKILL"): void {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
    }
  }
}

/** Every mount path at the start of a value becomes the folder that stands for it. */
export function rewrite(value: string, mounts: ReadonlyMap<string, string>): string {
  for (const [mountPath, folder] of mounts) {
    if (value === mountPath || value.startsWith(`${mountPath}/`)) {
      return folder + value.slice(mountPath.length);
    }
  }
  return value;
}

/** SIGTERM, and SIGKILL when it has not ended by then. */
export async function stopProcess(process: PodProcess, graceMs: number): Promise<{ exitCode: number }> {
  process.signal("SIGTERM");
  const kill = setTimeout(() => {
    process.signal("SIGKILL");
  }, graceMs);
  try {
    return await process.ended;
  } finally {
    clearTimeout(kill);
  }
}

function commandOf(start: ProcessStart): [string, ...string[]] {
  const words = [...(start.container.command ?? []), ...(start.container.args ?? [])].map((word) =>
    rewrite(expand(word, start.environment), start.mounts),
  );
  const [program, ...args] = words;
  if (program !== "node") {
    throw new ContainerConfigError(
      `this stand-in has an image with node only, the command is ${JSON.stringify(program)}`,
    );
  }
  return [start.runtime.node, ...args];
}

function environmentOf(start: ProcessStart): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/nonexistent",
    HOSTNAME: start.hostname,
    KUBERNETES_SERVICE_HOST: start.apiServer.host,
    KUBERNETES_SERVICE_PORT: start.apiServer.port,
    LISTEN_ADDRESS: "127.0.0.1",
  };
  for (const [name, value] of Object.entries(start.environment)) {
    environment[name] = rewrite(value, start.mounts);
  }
  for (const [name, port] of start.ports) {
    const variable = PORT_VARIABLES[name];
    if (variable !== undefined) {
      environment[variable] = String(port);
    }
  }
  return environment;
}
