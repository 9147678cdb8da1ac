import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parse } from "yaml";
import { runCommand, type CommandOutcome } from "./command";
import { EngineEvents, type EngineEvent } from "./engine-events";
import { summarize, type OperationResult } from "./operation";
import { copyProject } from "./project-copy";
import { installPulumi, type PulumiInstallation } from "./pulumi-home";
import { setPlainConfig } from "./stack-file";

export type { Diagnostic, OperationResult, ResourceOperation } from "./operation";

export interface PulumiProjectOptions {
  /** Folder of the project: the checkout. It is only read. */
  source: string;
  /** Stack; its committed file is the start, `config` and `secrets` are set on top. */
  stack: string;
  /** A folder for this project alone; created, and removed by `remove()`. */
  workDir: string;
  /** Path of the CLI. */
  pulumi: string;
  /** More environment for the CLI and everything it starts, for example `LAB_GCP_URL`. */
  env?: Readonly<Record<string, string>>;
  /** Full keys (`gcp:project`); nested ones as `proj:a.b[0]`. */
  config: Readonly<Record<string, string>>;
  secrets: Readonly<Record<string, string>>;
  /** `real` installs no double, so that the engine looks for the published plugin. Never tried. */
  kubernetesPlugin?: "double" | "real";
  /** Ends the command under way; everything after it is refused. */
  signal?: AbortSignal;
  /** What the providers say while an operation runs, one line each. */
  print?: (line: string) => void;
}

/**
 * A Pulumi project under the ordinary CLI: a temporary copy of the sources, a private `PULUMI_HOME` with the provider
 * doubles, state in files. Each operation is a process of its own, as on anybody's machine.
 */
export class PulumiProject {
  readonly #options: PulumiProjectOptions;
  readonly #installation: PulumiInstallation;
  readonly #events: EngineEvents;
  readonly #environment: NodeJS.ProcessEnv;
  #operations = 0;

  static async create(options: PulumiProjectOptions): Promise<PulumiProject> {
    const folder = options.workDir;
    // What commands print and the state's plain parts are nobody else's business.
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await Promise.all(["state", "tmp", "logs"].map((name) => mkdir(join(folder, name), { recursive: true })));
    // The passphrase goes through a file: arguments can be read by everybody, environments by the same user's processes.
    await writeFile(join(folder, "passphrase"), randomBytes(16).toString("hex"), { mode: 0o600 });
    await copyProject(options.source, join(folder, "project"));
    const installation = await installPulumi({
      cli: options.pulumi,
      program: join(folder, "project"),
      folder,
      kubernetesPlugin: options.kubernetesPlugin ?? "double",
    });
    const events = new EngineEvents();
    await events.start();
    const project = new PulumiProject(options, installation, events);
    try {
      await project.setConfig(options.config);
      await project.#require(["stack", "init", `organization/${await project.#name()}/${options.stack}`]);
      for (const [key, value] of Object.entries(options.secrets)) {
        await project.setSecret(key, value);
      }
    } catch (error) {
      events.stop();
      throw error;
    }
    return project;
  }

  private constructor(options: PulumiProjectOptions, installation: PulumiInstallation, events: EngineEvents) {
    this.#options = options;
    this.#installation = installation;
    this.#events = events;
    this.#environment = this.#hermeticEnvironment();
  }

  /** Which language host runs the program. */
  get languageHost(): "official" | "stand-in" {
    return this.#installation.languageHost;
  }

  preview(options: { expectNoChanges?: boolean } = {}): Promise<OperationResult> {
    return this.#operate("preview", options.expectNoChanges === true ? ["--expect-no-changes"] : []);
  }

  /** Without the preview that `pulumi up` shows first: `preview()` is that. */
  up(options: { expectNoChanges?: boolean } = {}): Promise<OperationResult> {
    const extra = options.expectNoChanges === true ? ["--expect-no-changes"] : [];
    return this.#operate("up", ["--yes", "--skip-preview", ...extra]);
  }

  refresh(options: { expectNoChanges?: boolean } = {}): Promise<OperationResult> {
    const extra = options.expectNoChanges === true ? ["--expect-no-changes"] : [];
    return this.#operate("refresh", ["--yes", "--skip-preview", ...extra]);
  }

  destroy(): Promise<OperationResult> {
    return this.#operate("destroy", ["--yes", "--skip-preview"]);
  }

  async setConfig(values: Readonly<Record<string, string>>): Promise<void> {
    await setPlainConfig(join(this.folder, `Pulumi.${this.#options.stack}.yaml`), values);
  }

  /** The value goes through stdin, never through arguments. */
  async setSecret(key: string, value: string): Promise<void> {
    const path = /[.[]/.test(key) ? ["--path"] : [];
    await this.#require(["config", "set", "--secret", ...path, "--stack", this.#options.stack, key], value);
  }

  /** The deployment as `pulumi stack export` prints it: secrets are encrypted. */
  async exportState(): Promise<string> {
    return this.#require(["stack", "export", "--stack", this.#options.stack]);
  }

  /** The stack's outputs; secret ones read `[secret]`. */
  async outputs(): Promise<Record<string, unknown>> {
    const text = await this.#require(["stack", "output", "--json", "--stack", this.#options.stack]);
    return JSON.parse(text) as Record<string, unknown>;
  }

  /** URNs of everything in the state, sorted. */
  async urns(): Promise<string[]> {
    const state = JSON.parse(await this.exportState()) as { deployment: { resources?: { urn: string }[] } };
    return (state.deployment.resources ?? []).map(({ urn }) => urn).sort();
  }

  /** The copy of the project; the only folder the CLI changes besides its own. */
  get folder(): string {
    return join(this.#options.workDir, "project");
  }

  /**
   * Every file that could hold a leak: state with its history and backups, events, what the commands printed, the stack
   * files.
   */
  evidence(): string[] {
    const state = ["state", "logs"].flatMap((name) =>
      readdirSync(join(this.#options.workDir, name), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    );
    const stackFiles = readdirSync(this.folder).filter((name) => /^Pulumi\..*ya?ml$/.test(name));
    return [...state, ...stackFiles.map((name) => join(this.folder, name))];
  }

  /** Removes the copy, the state and everything else; the project is then of no more use. */
  async remove(): Promise<void> {
    this.#events.stop();
    // A plugin that was killed with its engine may still be writing its cache.
    for (let attempt = 1; ; attempt++) {
      try {
        await rm(this.#options.workDir, { recursive: true, force: true });
        return;
      } catch (error) {
        if (attempt === 5) {
          throw error;
        }
        await delay(200);
      }
    }
  }

  async #operate(command: string, extra: readonly string[]): Promise<OperationResult> {
    const number = String(++this.#operations).padStart(2, "0");
    const { print } = this.#options;
    this.#events.begin(
      print === undefined
        ? undefined
        : (event) => {
            printStatus(event, print);
          },
    );
    const started = performance.now();
    const target = ["--stack", this.#options.stack, "--event-log", this.#events.target];
    const outcome = await this.#run([command, ...target, "--skip-plugin-pre-install", "--suppress-progress", ...extra]);
    const seconds = (performance.now() - started) / 1000;
    const events = this.#events.events;
    const log = (what: string, text: string) =>
      writeFile(join(this.#options.workDir, "logs", `${number}-${command}.${what}`), text);
    await log("stdout.txt", outcome.stdout);
    await log("stderr.txt", outcome.stderr);
    await log("events.jsonl", events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    return { ok: outcome.exitCode === 0, ...outcome, ...summarize(events), seconds };
  }

  async #require(commandArguments: readonly string[], input?: string): Promise<string> {
    const outcome = await this.#run(commandArguments, input);
    if (outcome.exitCode !== 0) {
      const what = commandArguments.slice(0, 2).join(" ");
      throw new Error(`pulumi ${what} failed (exit code ${outcome.exitCode}): ${outcome.stderr.trim()}`);
    }
    return outcome.stdout;
  }

  #run(commandArguments: readonly string[], input?: string): Promise<CommandOutcome> {
    return runCommand(this.#installation.cli, ["--non-interactive", "--color=never", ...commandArguments], {
      cwd: this.folder,
      env: this.#environment,
      input,
      signal: this.#options.signal,
    });
  }

  async #name(): Promise<string> {
    const { name } = parse(await readFile(join(this.folder, "Pulumi.yaml"), "utf8")) as { name: string };
    return name;
  }

  /** Nothing of the machine's Pulumi, Kubernetes or Google settings may decide what the lab sees. */
  #hermeticEnvironment(): NodeJS.ProcessEnv {
    const folder = this.#options.workDir;
    const foreign = /^(PULUMI_|KUBE|GOOGLE_|CLOUDSDK_|GCLOUD_|NODE_OPTIONS$|NODE_COMPILE_CACHE$|npm_|AWS_|BUILDKITE_)/;
    const inherited = Object.entries(process.env).filter(([name]) => !foreign.test(name));
    const path = [this.#installation.bin, dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter);
    return {
      ...Object.fromEntries(inherited),
      PATH: path,
      HOME: folder,
      // ts-node keeps what it compiled here, Node the bytecode of what it loaded: the second operation is faster.
      TMPDIR: join(folder, "tmp"),
      NODE_COMPILE_CACHE: join(folder, "tmp", "node-compile-cache"),
      PULUMI_HOME: this.#installation.home,
      PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: join(folder, "passphrase"),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: this.#options.kubernetesPlugin === "real" ? "false" : "true",
      PULUMI_DISABLE_REGISTRY_RESOLVE: "true",
      PULUMI_SUPPRESS_NEO_LINK: "true",
      PULUMI_SKIP_CONFIRMATIONS: "true",
      // Makes --event-log known.
      PULUMI_DEBUG_COMMANDS: "true",
      ...this.#options.env,
    };
  }
}

function printStatus(event: EngineEvent, print: (line: string) => void): void {
  const { diagnosticEvent } = event;
  if (diagnosticEvent?.urn !== undefined && diagnosticEvent.urn !== "") {
    const name = diagnosticEvent.urn.split("::").pop() ?? "";
    print(`${name}: ${diagnosticEvent.message.replace(/<\{%[^%]*%\}>/g, "").trim()}`);
  }
}
