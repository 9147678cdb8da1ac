import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parse } from "yaml";
import { runCommand, type CommandOutcome } from "./command";
import { EngineEvents, type EngineEvent } from "./engine-events";
import { hermeticEnvironment } from "./environment";
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
  /**
   * Folder for what Node and ts-node compile, keyed by content: it may be shared between projects and kept between runs,
   * which saves about 2 s of each project's first operation. Default: inside `workDir`.
   */
  compileCache?: string;
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

  /** @throws Error with the CLI's words when the stack cannot be set up; nothing is left then. */
  static async create(options: PulumiProjectOptions): Promise<PulumiProject> {
    const events = new EngineEvents();
    try {
      await events.start();
      const project = new PulumiProject(options, await layOut(options), events);
      await project.setConfig(options.config);
      await project.#require(["stack", "init", `organization/${await project.#name()}/${options.stack}`]);
      for (const [key, value] of Object.entries(options.secrets)) {
        await project.setSecret(key, value);
      }
      return project;
    } catch (error) {
      events.stop();
      await rm(options.workDir, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(options: PulumiProjectOptions, installation: PulumiInstallation, events: EngineEvents) {
    this.#options = options;
    this.#installation = installation;
    this.#events = events;
    this.#environment = hermeticEnvironment(options, installation);
  }

  /** Which language host runs the program. */
  get languageHost(): "official" | "stand-in" {
    return this.#installation.languageHost;
  }

  /** @param options `policyPack`: folder of a policy pack that judges the preview, with the file of its configuration. */
  preview(
    options: { expectNoChanges?: boolean; policyPack?: string; policyPackConfig?: string } = {},
  ): Promise<OperationResult> {
    const { expectNoChanges, policyPack, policyPackConfig } = options;
    return this.#operate("preview", [
      ...(expectNoChanges === true ? ["--expect-no-changes"] : []),
      ...(policyPack === undefined ? [] : ["--policy-pack", policyPack]),
      ...(policyPackConfig === undefined ? [] : ["--policy-pack-config", policyPackConfig]),
    ]);
  }

  /** What `pulumi preview --json` prints: each resource's former and new inputs, also where they stay; secrets blinded. */
  previewJson(): Promise<CommandOutcome> {
    const target = ["--stack", this.#options.stack];
    return this.#run(["preview", "--json", "--show-sames", ...target, "--skip-plugin-pre-install"]);
  }

  /** Without the preview that `pulumi up` shows first: `preview()` is that. */
  /** @param options `refresh`: what is really there is read first. */
  up(options: { expectNoChanges?: boolean; refresh?: boolean } = {}): Promise<OperationResult> {
    const { expectNoChanges, refresh } = options;
    const extra = expectNoChanges === true ? ["--expect-no-changes"] : [];
    return this.#operate("up", ["--yes", "--skip-preview", ...(refresh === true ? ["--refresh"] : []), ...extra]);
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
    if (outcome.exitCode === 0 && events.length === 0) {
      throw new Error("the CLI reported no events: it is too old to send them to a tcp:// address");
    }
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
}

/** The folders, the copy of the project and the CLI with its doubles. */
async function layOut(options: PulumiProjectOptions): Promise<PulumiInstallation> {
  const folder = options.workDir;
  await Promise.all(["state", "tmp", "logs"].map((name) => mkdir(join(folder, name), { recursive: true })));
  // The passphrase goes through a file: arguments can be read by everybody, environments by the same user's processes.
  await writeFile(join(folder, "passphrase"), randomBytes(16).toString("hex"), { mode: 0o600 });
  const program = join(folder, "project");
  await copyProject(options.source, program);
  const kubernetesPlugin = options.kubernetesPlugin ?? "double";
  return installPulumi({ cli: options.pulumi, program, folder, kubernetesPlugin });
}

function printStatus(event: EngineEvent, print: (line: string) => void): void {
  const { diagnosticEvent } = event;
  if (diagnosticEvent?.urn !== undefined && diagnosticEvent.urn !== "") {
    const name = diagnosticEvent.urn.split("::").pop() ?? "";
    print(`${name}: ${diagnosticEvent.message.replace(/<\{%[^%]*%\}>/g, "").trim()}`);
  }
}
