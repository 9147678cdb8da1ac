import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { isExecutable } from "../../lab/parts/on-path";

/** By the names that distributions and Google give it. */
const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"] as const;

/**
 * The browser of this machine: from PATH alone. The distribution's package with all it needs is many times as large as
 * everything else that the lab fetches.
 */
export async function findChromium(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  for (const folder of (env["PATH"] ?? "").split(delimiter).filter(isAbsolute)) {
    for (const name of NAMES) {
      if (await isExecutable(join(folder, name))) {
        return join(folder, name);
      }
    }
  }
  return undefined;
}

/** How a page is looked at. */
export interface Look {
  readonly scheme: "light" | "dark";
  readonly width: number;
  readonly height: number;
}

/** What the browser did with a page. */
export interface Looked {
  /** The document after it was loaded, as HTML. */
  readonly dom: string;
  readonly png: Buffer;
  /** Lines that the page, or the browser about the page, wrote to its console. */
  readonly consoleLines: readonly string[];
}

/** The command line: nothing is fetched, kept, or asked of the machine. Blink's number of a scheme: 0 is dark, 1 is light. */
export function flags(profile: string, { scheme, width, height }: Look): string[] {
  return [
    ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
    ...["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ...["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", `--user-data-dir=${profile}`],
    `--blink-settings=preferredColorScheme=${scheme === "dark" ? 0 : 1}`,
    `--window-size=${width},${height}`,
  ];
}

/** Loads a local page twice, for its document and its picture. */
export async function look(browser: string, page: string, how: Look): Promise<Looked> {
  const folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-chromium-"));
  try {
    const picture = join(folder, "page.png");
    const url = `file://${page}`;
    const dom = await run(browser, [...flags(join(folder, "a"), how), "--dump-dom", url], folder);
    const shot = await run(browser, [...flags(join(folder, "b"), how), `--screenshot=${picture}`, url], folder);
    const lines = `${dom.stderr}\n${shot.stderr}`.split("\n").filter((line) => /:CONSOLE[:(]/.test(line));
    return { dom: dom.stdout, png: await readFile(picture), consoleLines: lines };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * Runs it to its end, in a group of its own: a browser is many processes.
 *
 * @param folder for what it would else leave in the machine's folder for temporary files.
 */
async function run(
  command: string,
  args: readonly string[],
  folder: string,
): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, TMPDIR: folder };
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env, detached: true });
  const stopped = setTimeout(stop, 90_000, child.pid);
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject).once("close", resolve);
    });
    if (code !== 0) {
      throw new Error(`${command} ended with ${code ?? "a signal"}: ${stderr.slice(-2_000)}`);
    }
    return { stdout, stderr };
  } finally {
    clearTimeout(stopped);
    stop(child.pid);
  }
}

/** Ends a browser with all its processes. */
export function stop(group: number | undefined): void {
  try {
    if (group !== undefined) {
      process.kill(-group, "SIGKILL");
    }
  } catch {
    // It is gone, as it should be.
  }
}
