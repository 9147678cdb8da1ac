import { readFile } from "node:fs/promises";

const CONTROLLERS = /^(kube-controller|kube-scheduler|kwok)/;

/**
 * Suspends the controllers among these processes, so that what is measured is the API server: pods being made and scheduled for
 * the Jobs of earlier blocks would hide a good part of what either way costs.
 *
 * @param pids of the control plane's processes.
 * @returns what lets them go on.
 */
export async function pauseControllers(pids: readonly number[]): Promise<() => void> {
  const paused: number[] = [];
  for (const pid of pids) {
    const command = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    if (CONTROLLERS.test(command)) {
      process.kill(pid, "SIGSTOP");
      paused.push(pid);
    }
  }
  return () => {
    for (const pid of paused) {
      try {
        process.kill(pid, "SIGCONT");
      } catch {
        // It has ended meanwhile.
      }
    }
  };
}
