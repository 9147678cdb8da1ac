import { createPrivateKey, X509Certificate } from "node:crypto";
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
 * @throws Error naming what is missing, or that they do not belong together.
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
    if (text === undefined || text.trim() === "") {
      throw new Error(`no ${name} in ${path}`);
    }
    return text;
  };
  const current = () => {
    const pair = { cert: read("tls.crt"), key: read("tls.key") };
    // A server takes any two, and then refuses every client.
    if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key))) {
      throw new Error(`tls.key in ${path} is not the key of tls.crt`);
    }
    return pair;
  };
  current();
  return {
    current,
    onChange: (added) => {
      listener = added;
    },
  };
}
