import { readFile, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { join } from "node:path";

/** What reaches the API server with all rights: an address and three PEM texts. */
export interface AdministratorAccess {
  /** `https://127.0.0.1:<port>`. */
  server: string;
  caPem: string;
  clientCertPem: string;
  clientKeyPem: string;
}

/** The name of cluster, user and context in the kubeconfig. */
export const contextName = "buildkite-lab";

/** Reads what kwokctl generated. */
export async function readAdministratorAccess(clusterFolder: string, port: number): Promise<AdministratorAccess> {
  const read = (name: string) => readFile(join(clusterFolder, "pki", name), "utf8");
  const [caPem, clientCertPem, clientKeyPem] = await Promise.all([
    read("ca.crt"),
    read("admin.crt"),
    read("admin.key"),
  ]);
  return { server: `https://127.0.0.1:${port}`, caPem, clientCertPem, clientKeyPem };
}

/** Writes a kubeconfig that holds everything itself, so that it may be copied. */
export async function writeKubeconfig(path: string, access: AdministratorAccess): Promise<void> {
  const base64 = (pem: string) => Buffer.from(pem).toString("base64");
  const kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: contextName, cluster: { server: access.server, "certificate-authority-data": base64(access.caPem) } },
    ],
    users: [
      {
        name: contextName,
        user: {
          "client-certificate-data": base64(access.clientCertPem),
          "client-key-data": base64(access.clientKeyPem),
        },
      },
    ],
    contexts: [{ name: contextName, context: { cluster: contextName, user: contextName } }],
    "current-context": contextName,
  };
  await writeFile(path, JSON.stringify(kubeconfig, undefined, 2) + "\n", { mode: 0o600 });
}

/** The HTTP status of a GET, or undefined while nobody answers. */
export function statusOf(access: AdministratorAccess, path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = get(
      new URL(path, access.server),
      {
        ca: access.caPem,
        cert: access.clientCertPem,
        key: access.clientKeyPem,
        agent: false,
        timeout: 2000,
      },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    request.once("timeout", () => request.destroy());
    request.once("error", () => {
      resolve(undefined);
    });
  });
}
