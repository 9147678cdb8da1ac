import { messageOf, type Log } from "../log";
import { WatchedDirectory } from "../watched-directory";

/** The agent tokens that may be used at Buildkite: one, or two while they are being changed. */
export interface AgentTokens {
  /** `current` first. */
  readonly all: readonly string[];
  /** Hears of a change. */
  onChange: (listener: () => void) => void;
  close(): void;
}

/**
 * Reads the tokens of a mounted Secret and keeps them current: each file is one.
 *
 * @throws Error naming the directory when it cannot be read or holds no token.
 */
export async function openAgentTokens(path: string, log: Log, intervalMs?: number): Promise<AgentTokens> {
  let all: string[] = [];
  const listeners: (() => void)[] = [];
  const take = (files: ReadonlyMap<string, string>): boolean => {
    // The directory's files come in the order of their names: `current` is before `previous`.
    const found = Array.from(files.values(), (text) => text.trim()).filter((text) => text !== "");
    if (found.length > 0) {
      all = found;
    }
    return found.length > 0;
  };
  const directory = await WatchedDirectory.open(path, {
    intervalMs,
    onChange: () => {
      if (take(directory.files)) {
        log.info("agent tokens changed", { accepted: all.length });
        listeners.forEach((listener) => {
          listener();
        });
      } else {
        log.error("agent tokens are gone; the former ones stay in use", { path });
      }
    },
    onError: (error) => {
      log.error("agent tokens unreadable; the former ones stay in use", { path, error: messageOf(error) });
    },
  });
  if (!take(directory.files)) {
    directory.close();
    throw new Error(`no agent token in ${path}: it must hold at least one file that is not empty`);
  }
  return {
    get all() {
      return all;
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
    close: () => {
      directory.close();
    },
  };
}
