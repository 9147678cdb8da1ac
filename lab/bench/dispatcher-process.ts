import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { buildDispatcherBundle } from "../../dispatcher/bundle";
import type { DispatcherSettings } from "../../dispatcher/settings";
import { writeAtomically } from "../kubelet/atomic-folder";

export interface DispatcherProcessOptions {
  settings: DispatcherSettings;
  /** By file name. */
  secrets: Readonly<Record<string, string>>;
  server: string;
  caPem: string;
  token: string;
  /** Agent tokens by file name; the dispatcher calls Buildkite's Stacks API with them. */
  agentTokens?: Readonly<Record<string, string>>;
  /** Default `dispatcher-0`. */
  podName?: string;
  /** Makes the webhook port speak HTTPS. */
  tls?: CertificatePair;
  /** Of the port for job acquisition tokens, where the settings ask for one. */
  jobTokensTls?: CertificatePair;
  /** Its `NODE_OPTIONS`. */
  nodeOptions?: string;
  /** A control group's `cgroup.procs`: the process is in that group from its first moment on. */
  cgroup?: string;
  signal?: AbortSignal;
}

/** PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** A line of its log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string };

/** Where the certificate of a port lies, below the process's folder: of the webhook port, or of that for tokens. */
export type CertificateFolder = "tls" | "job-tokens-tls";

/** The dispatcher's bundle as a process, with the files and variables that a pod would give it. */
export interface DispatcherProcess {
  /** Of the webhook port. */
  url: string;
  operationsUrl: string;
  /** Where it gives out job acquisition tokens, if it does. */
  jobTokensPort: number | undefined;
  pid: number;
  /** So far. */
  log: LogLine[];
  /** Where its secrets, token and settings lie. */
  folder: string;
  /** Makes these the webhook secrets, by file name, as a kubelet does it with a mounted Secret: all at one moment. */
  changeSecrets(secrets: Readonly<Record<string, string>>): Promise<void>;
  /** Makes this the certificate of a port, in the same way. */
  changeCertificate(port: CertificateFolder, pair: CertificatePair): Promise<void>;
  /** Sends the signal and waits for the end; returns the exit code. */
  end(signal?: "SIGTERM" | "SIGKILL"): Promise<number | null>;
  /** Kills it where it still runs, and removes its files. */
  remove(): Promise<void>;
}

const OWNER_ONLY = { group: undefined, fileMode: 0o600 };

/** Starts the bundle and waits until it listens. @throws with its log when it ends before that. */
export async function startDispatcherProcess(options: DispatcherProcessOptions): Promise<DispatcherProcess> {
  const folder = await mkdtemp(join(tmpdir(), "buildkite-dispatcher-"));
  const write = async (path: string, text: string): Promise<string> => {
    await writeFile(join(folder, path), text, { mode: 0o600 });
    return join(folder, path);
  };
  const changeSecrets = async (secrets: Readonly<Record<string, string>>): Promise<void> => {
    const files = new Map(Object.entries(secrets).map(([name, secret]) => [name, Buffer.from(secret)]));
    await writeAtomically(join(folder, "webhook"), files, OWNER_ONLY);
  };
  const changeCertificate = async (port: CertificateFolder, { cert, key }: CertificatePair): Promise<void> => {
    const files = new Map(
      [...Object.entries({ "tls.crt": cert, "tls.key": key })].map(([name, pem]) => [name, Buffer.from(pem)]),
    );
    await writeAtomically(join(folder, port), files, OWNER_ONLY);
  };
  await changeSecrets(options.secrets);
  await mkdir(join(folder, "service-account"));
  if (options.agentTokens !== undefined) {
    await mkdir(join(folder, "agent-token"));
    for (const [name, token] of Object.entries(options.agentTokens)) {
      await write(join("agent-token", name), token);
    }
  }
  await write(join("service-account", "token"), options.token);
  await write(join("service-account", "ca.crt"), options.caPem);
  if (options.tls !== undefined) await changeCertificate("tls", options.tls);
  if (options.jobTokensTls !== undefined) await changeCertificate("job-tokens-tls", options.jobTokensTls);
  const server = new URL(options.server);
  const command = [process.execPath, await write("dispatcher.js", buildDispatcherBundle().code)];
  const [file = "", ...argv] = options.cgroup === undefined ? command : inGroup(options.cgroup, command);
  const child: ChildProcess = spawn(file, argv, {
    env: {
      DISPATCHER_SETTINGS: await write("settings.json", JSON.stringify(options.settings)),
      DISPATCHER_WEBHOOK_SECRETS: join(folder, "webhook"),
      DISPATCHER_SERVICE_ACCOUNT: join(folder, "service-account"),
      PORT: "0",
      OPERATIONS_PORT: "0",
      LISTEN_ADDRESS: "127.0.0.1",
      POD_NAME: options.podName ?? "dispatcher-0",
      ...(options.agentTokens === undefined ? {} : { DISPATCHER_AGENT_TOKEN: join(folder, "agent-token") }),
      ...(options.tls === undefined ? {} : { DISPATCHER_TLS: join(folder, "tls") }),
      ...(options.jobTokensTls === undefined ? {} : { DISPATCHER_JOB_TOKENS_TLS: join(folder, "job-tokens-tls") }),
      JOB_TOKENS_PORT: "0",
      ...(options.nodeOptions === undefined ? {} : { NODE_OPTIONS: options.nodeOptions }),
      KUBERNETES_SERVICE_HOST: server.hostname,
      KUBERNETES_SERVICE_PORT: server.port,
    },
    stdio: ["ignore", "pipe", "inherit"],
    signal: options.signal,
  });
  // An abort reaches whoever waits for the process; it must not be unhandled besides.
  child.on("error", () => undefined);
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const log: LogLine[] = [];
  const listening = new Promise<LogLine>((resolve, reject) => {
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (text) => {
        const line = JSON.parse(text) as LogLine;
        log.push(line);
        if (line.event === "listening") {
          resolve(line);
        }
      });
    }
    exited.then(
      (code) => {
        reject(
          new Error(`the dispatcher ended with ${String(code)}: ${log.map((line) => JSON.stringify(line)).join("\n")}`),
        );
      },
      (error: unknown) => {
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
  const end = (signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | null> => {
    child.kill(signal);
    return exited;
  };
  const remove = async (): Promise<void> => {
    await end("SIGKILL").catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const line = await listening;
    return {
      url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${String(line["port"])}`,
      operationsUrl: `http://127.0.0.1:${String(line["operationsPort"])}`,
      pid: child.pid ?? 0,
      jobTokensPort: line["jobTokensPort"] as number | undefined,
      ...{ log, folder, changeSecrets, changeCertificate, end, remove },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Waits until it is ready to take webhooks. @throws after 30 s; the signal's reason. */
export async function untilReady(dispatcher: DispatcherProcess, signal: AbortSignal): Promise<void> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(30_000)]);
  while ((await fetch(`${dispatcher.url}/readyz`, { signal: within })).status !== 200) {
    await sleep(20, undefined, { signal: within });
  }
}

/** What a process has used before it enters a group is not the group's: so the shell enters, and becomes the process. */
function inGroup(procs: string, command: readonly string[]): string[] {
  return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', procs, ...command];
}
