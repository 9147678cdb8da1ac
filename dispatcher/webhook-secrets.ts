import type { Log } from "./log";
import { messageOf } from "./log";
import { WatchedDirectory } from "./watched-directory";

/** The secrets a webhook may be signed with: each file of the directory is one, so that two overlap during a rotation. */
export interface WebhookSecrets {
  readonly accepted: readonly string[];
  close(): void;
}

/**
 * Reads the secrets and keeps them current.
 *
 * @throws Error naming the directory when it cannot be read or holds no secret.
 */
export async function openWebhookSecrets(path: string, log: Log, intervalMs?: number): Promise<WebhookSecrets> {
  let accepted: string[] = [];
  const take = (files: ReadonlyMap<string, string>): boolean => {
    // A file written by hand ends in a line end that nobody meant to be part of the secret.
    const found = Array.from(files.values(), (text) => text.replace(/\r?\n$/, "")).filter((text) => text !== "");
    if (found.length > 0) {
      accepted = found;
    }
    return found.length > 0;
  };
  const directory = await WatchedDirectory.open(path, {
    intervalMs,
    onChange: () => {
      if (take(directory.files)) {
        log.info("webhook secrets changed", { accepted: accepted.length });
      } else {
        log.error("webhook secrets are gone; the former ones stay accepted", { path });
      }
    },
    onError: (error) => {
      log.error("webhook secrets unreadable; the former ones stay accepted", { path, error: messageOf(error) });
    },
  });
  if (!take(directory.files)) {
    directory.close();
    throw new Error(`no webhook secret in ${path}: it must hold at least one file that is not empty`);
  }
  return {
    get accepted() {
      return accepted;
    },
    close: () => {
      directory.close();
    },
  };
}
