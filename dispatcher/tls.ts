import { messageOf, type Log } from "./log";
import { WatchedDirectory } from "./watched-directory";

/** A certificate and its key, kept current. */
export interface TlsFiles {
  /** As last read. */
  current: () => { cert: string; key: string };
  onChange(listener: () => void): void;
}

/**
 * Reads `tls.crt` and `tls.key` of a mounted Secret and keeps them current.
 *
 * @throws Error naming what is missing.
 */
export async function openTls(path: string, log: Log): Promise<TlsFiles> {
  let listener: (() => void) | undefined;
  const directory = await WatchedDirectory.open(path, {
    onChange: () => {
      try {
        listener?.();
        log.info("certificate changed");
      } catch (error) {
        log.error("new certificate refused; the former one stays", { error: messageOf(error) });
      }
    },
    onError: (error) => {
      log.error("certificate unreadable; the former one stays", { error: messageOf(error) });
    },
  });
  const read = (name: string): string => {
    const text = directory.files.get(name);
    if (text === undefined) {
      throw new Error(`no ${name} in ${path}`);
    }
    return text;
  };
  const current = () => ({ cert: read("tls.crt"), key: read("tls.key") });
  current();
  return {
    current,
    onChange: (added) => {
      listener = added;
    },
  };
}
