import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type ServerWritableStream, status } from "@grpc/grpc-js";
import { type RunPluginRequest, RunPluginResponse } from "@pulumi/pulumi/proto/language_pb";

const running = new Set<ChildProcess>();

/** Kills the policy packs under way. */
export function endPolicyPacks(): void {
  for (const child of running) {
    child.kill("SIGKILL");
  }
}

/** Runs a policy pack with the SDK's own `cmd/run-policy-pack`, until the engine has no more use for it. */
export function runPolicyPack(call: ServerWritableStream<RunPluginRequest, RunPluginResponse>): void {
  const { request } = call;
  const folder = request.getInfo()?.getProgramDirectory() ?? "";
  if (request.getKind() !== "analyzer") {
    const details = `the stand-in language host runs policy packs, no plugin of kind ${request.getKind()}`;
    call.emit("error", { code: status.UNIMPLEMENTED, details });
    return;
  }
  const runner = createRequire(join(folder, "package.json")).resolve("@pulumi/pulumi/cmd/run-policy-pack");
  const child = spawn(process.execPath, [runner, ...request.getArgsList(), "."], {
    // The SDK reads package.json and tsconfig.json of the folder it is in.
    cwd: folder,
    env: { ...process.env, ...environmentOf(request.getEnvList()) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.stdout.on("data", (bytes: Buffer) => call.write(new RunPluginResponse().setStdout(bytes)));
  child.stderr.on("data", (bytes: Buffer) => call.write(new RunPluginResponse().setStderr(bytes)));
  child.once("error", (error) => call.emit("error", { code: status.INTERNAL, details: error.message }));
  child.once("close", (code) => {
    running.delete(child);
    call.write(new RunPluginResponse().setExitcode(code ?? 1));
    call.end();
  });
  call.once("cancelled", () => {
    child.kill("SIGKILL");
  });
}

function environmentOf(list: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(
    list.map((entry) => {
      const at = entry.indexOf("=");
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}
