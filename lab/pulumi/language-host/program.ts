import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { RunResponse, type RunRequest } from "@pulumi/pulumi/proto/language_pb";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb";

/** The SDK's exit code for "failed, and the person has been told why". */
const ALREADY_REPORTED = 32;

const running = new Set<ChildProcess>();

/** Kills the programs under way: nobody is left to hear what they register. */
export function endPrograms(): void {
  for (const child of running) {
    child.kill("SIGKILL");
  }
}

/** Runs the program once, as the official host does, and says how it ended. */
export async function runProgram(request: RunRequest, engine: string): Promise<RunResponse> {
  const options = optionsOf(request.getInfo()?.getOptions());
  const directory = request.getPwd();
  const run = createRequire(join(directory, "package.json")).resolve("@pulumi/pulumi/cmd/run");
  const child = spawn(process.execPath, [...options.nodeArguments, run, ...flags(request, engine)], {
    cwd: directory,
    env: { ...process.env, ...environment(request, options.tsconfig) },
    // Whatever the program prints is shown under the stack.
    stdio: ["ignore", "inherit", "inherit"],
  });
  running.add(child);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  running.delete(child);
  if (code === 0) {
    return new RunResponse();
  }
  return code === ALREADY_REPORTED
    ? new RunResponse().setBail(true)
    : new RunResponse().setError(`the program ended with ${code === null ? "a signal" : `exit code ${code}`}`);
}

function flags(request: RunRequest, engine: string): string[] {
  const info = request.getInfo();
  return [
    `--monitor=${request.getMonitorAddress()}`,
    `--engine=${engine}`,
    `--organization=${request.getOrganization()}`,
    `--project=${request.getProject()}`,
    `--stack=${request.getStack()}`,
    `--pwd=${request.getPwd()}`,
    ...(info === undefined ? [] : [`--root-directory=${info.getRootDirectory()}`]),
    ...(request.getDryrun() ? ["--dry-run"] : []),
    `--parallel=${request.getParallel()}`,
    info?.getEntryPoint() ?? ".",
    ...request.getArgsList(),
  ];
}

function environment(request: RunRequest, tsconfig: string | undefined): NodeJS.ProcessEnv {
  return {
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().getEntryList())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    PULUMI_NODEJS_TYPESCRIPT: "true",
    ...(tsconfig === undefined ? {} : { PULUMI_NODEJS_TSCONFIG_PATH: tsconfig }),
  };
}

/** `runtime.options` of Pulumi.yaml. */
function optionsOf(wire: Struct | undefined): { tsconfig?: string; nodeArguments: string[] } {
  const options = (wire?.toJavaScript() ?? {}) as Record<string, unknown>;
  const { tsconfig, nodeargs } = options;
  return {
    tsconfig: typeof tsconfig === "string" ? tsconfig : undefined,
    nodeArguments: typeof nodeargs === "string" ? nodeargs.split(/\s+/).filter((argument) => argument !== "") : [],
  };
}
