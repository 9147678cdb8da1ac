import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";

/** How the machine looked before the lab touched it. */
export interface Before {
  readonly temporaryFolder: string;
  readonly temporary: readonly string[];
  readonly gitStatus: string;
}

/** Prefix of the one folder in which a run keeps everything. */
export const TEMPORARY_PREFIX = "buildkite-scale-to-zero-lab-";

/** What the programs that a run starts are known to leave in the temporary folder. */
const TEMPORARY = /^(buildkite-scale-to-zero-(lab|pods)-|pulumi|kwok|ts-node|tsx-|node-compile-cache)/;

/** Takes down what is there before the run. */
export function lookBefore(checkout: string): Before {
  const temporaryFolder = tmpdir();
  return { temporaryFolder, temporary: temporaryFolders(temporaryFolder), gitStatus: gitStatus(checkout) };
}

/**
 * Everything that the run left behind: temporary folders, processes, ports that still answer, changes in the checkout.
 *
 * @param workDir folder of the run; no process may still have it in its arguments or environment.
 * @param urls addresses that the run's servers listened on.
 */
export async function lookAfter(
  before: Before,
  checkout: string,
  workDir: string,
  urls: readonly string[],
): Promise<string[]> {
  const status = gitStatus(checkout);
  const answering = await Promise.all(urls.map(async (url) => ((await answers(url)) ? [`port ${url}`] : [])));
  return [
    ...temporaryFolders(before.temporaryFolder)
      // One that a process still uses is another lab's; our own processes are looked for below.
      .filter((name) => !before.temporary.includes(name) && processesNaming(name).length === 0)
      .map((name) => `temporary folder ${name}`),
    ...processesNaming(workDir).map((command) => `process ${command}`),
    ...answering.flat(),
    ...(status === before.gitStatus ? [] : [`changes in the checkout: ${status}`]),
  ];
}

function temporaryFolders(folder: string): string[] {
  return readdirSync(folder).filter((name) => TEMPORARY.test(name));
}

function gitStatus(checkout: string): string {
  try {
    return execFileSync("git", ["status", "--porcelain"], { cwd: checkout, encoding: "utf8", stdio: "pipe" });
  } catch {
    // A copy without git: nothing to compare.
    return "";
  }
}

function processesNaming(workDir: string): string[] {
  return readdirSync("/proc")
    .filter((pid) => /^[0-9]+$/.test(pid) && Number(pid) !== process.pid)
    .flatMap((pid) => {
      const [command, environment] = ["cmdline", "environ"].map((file) => read(`/proc/${pid}/${file}`));
      return `${command ?? ""}${environment ?? ""}`.includes(workDir)
        ? [`${pid} ${(command ?? "").replaceAll("\0", " ")}`]
        : [];
    });
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It ended in the meantime, or belongs to somebody else.
    return "";
  }
}

function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: 1_000 });
    const end = (open: boolean) => () => {
      socket.destroy();
      resolve(open);
    };
    socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false));
  });
}
