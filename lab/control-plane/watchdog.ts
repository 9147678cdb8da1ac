import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/**
 * Waits for the end of its standard input, which it has from us alone. If no word came before, we were killed outright: then
 * it ends what runs from the folder and removes the folder. A shell, because it costs a megabyte and cannot be in the way.
 */
const script = `
read -r word && [ "$word" = stopped ] && exit 0
for round in 1 2 3 4 5; do
  found=
  for process in /proc/[0-9]*; do
    line=
    { IFS= read -r line < "$process/cmdline" || true; } 2>/dev/null
    case "$line" in
      "$1"/*) found=yes; kill -KILL "\${process#/proc/}" 2>/dev/null ;;
    esac
  done
  [ -z "$found" ] && break
  sleep 0.2
done
rm -rf -- "$1"
rmdir -- "\${1%/*}" 2>/dev/null
`;

/** Ends the control plane when this process can no longer do so. */
export class Watchdog {
  readonly #child: ChildProcess;

  /** Watches over all processes started by a path inside the folder. */
  constructor(folder: string) {
    // A session of its own: the terminal's Ctrl-C is for us, and we stop in order.
    this.#child = spawn("/bin/sh", ["-c", script, "lab-watchdog", folder], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      cwd: "/",
      env: { PATH: process.env["PATH"] },
    });
    this.#child.on("error", () => undefined);
    this.#child.stdin?.on("error", () => undefined);
    // It must not keep us alive.
    this.#child.unref();
    (this.#child.stdin as { unref?: () => void } | null)?.unref?.();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends it away, for all is stopped, and waits until it has gone. */
  async dismiss(): Promise<void> {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.ref();
    const exit = once(this.#child, "exit");
    this.#child.stdin?.end("stopped\n");
    await exit;
  }
}
