import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const EVERY_MS = 10;

/**
 * Asks the dockerd of a running container for its first answer, through the container's own file system.
 *
 * @param pid of the container's first process, in our numbering.
 * @param socket inside the container, without links on the way: those would lead into our own file system.
 * @returns epoch milliseconds of the answer, up to 10 ms late; undefined when the signal ended the asking.
 */
export async function firstAnswer(pid: number, socket: string, signal: AbortSignal): Promise<number | undefined> {
  const path = `/proc/${pid}/root${socket}`;
  while (!signal.aborted) {
    if (await answers(path)) {
      return Date.now();
    }
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: "/_ping", timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => {
      resolve(false);
    });
    asked.end();
  });
}
