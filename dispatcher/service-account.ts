import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubernetesConnection } from "./kubernetes/client";

const REREAD_AFTER_MS = 10_000;

/**
 * The connection a pod has: the service account's token and CA from its mount, the address from the kubelet.
 *
 * The token is read again every few seconds: the kubelet renews it about every 50 minutes, long before it expires.
 *
 * @param directory holds `token` and `ca.crt`.
 * @throws Error when one of them cannot be read.
 */
export function serviceAccountConnection(directory: string, host: string, port: string): KubernetesConnection {
  const tokenPath = join(directory, "token");
  let token = readFileSync(tokenPath, "utf8").trim();
  let readAt = Date.now();
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    ca: readFileSync(join(directory, "ca.crt"), "utf8"),
    token: () => {
      const now = Date.now();
      if (now - readAt > REREAD_AFTER_MS) {
        readAt = now;
        try {
          token = readFileSync(tokenPath, "utf8").trim();
        } catch {
          // The old one is good for a while yet; when it is not, the API server's 401 is what is seen.
        }
      }
      return token;
    },
  };
}
