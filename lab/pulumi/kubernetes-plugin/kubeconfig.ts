import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { KubernetesConnection } from "../../../dispatcher/kubernetes/client";
import { execCredential, type ExecConfig } from "./exec-credential";

interface Cluster {
  server: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  [other: string]: unknown;
}

interface User {
  token?: string;
  tokenFile?: string;
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  exec?: ExecConfig;
  [other: string]: unknown;
}

interface Named<T> {
  name: string;
  cluster?: T;
  user?: T;
}

interface Kubeconfig {
  "current-context"?: string;
  clusters?: Named<Cluster>[];
  users?: Named<User>[];
  contexts?: { name: string; context: { cluster: string; user: string; namespace?: string } }[];
}

/** The part of a kubeconfig that is in use. */
export interface ActiveContext {
  cluster: Cluster;
  user: User;
  namespace?: string;
}

const CLUSTER_FIELDS: ReadonlySet<string> = new Set(["server", "certificate-authority", "certificate-authority-data"]);
const USER_FIELDS: ReadonlySet<string> = new Set([
  "token",
  "tokenFile",
  "client-certificate",
  "client-certificate-data",
  "client-key",
  "client-key-data",
  "exec",
]);

/**
 * Reads a kubeconfig (YAML or JSON).
 *
 * @param overrides `context` and `cluster` of the provider.
 * @throws Error when nothing can be reached with it, or when it uses something this double does not model.
 */
export function activeContext(text: string, overrides: { context?: string; cluster?: string } = {}): ActiveContext {
  const config = (parse(text) ?? {}) as Kubeconfig;
  const wanted = overrides.context ?? config["current-context"];
  const context = config.contexts?.find(({ name }) => name === wanted)?.context;
  if (context === undefined) {
    throw new Error(`the kubeconfig has no context ${JSON.stringify(wanted ?? "")}`);
  }
  const clusterName = overrides.cluster ?? context.cluster;
  const cluster = config.clusters?.find(({ name }) => name === clusterName)?.cluster;
  const user = config.users?.find(({ name }) => name === context.user)?.user;
  if (cluster === undefined || user === undefined) {
    throw new Error(`the kubeconfig has no cluster ${clusterName}, or no user ${context.user}`);
  }
  refuseUnknown(cluster, CLUSTER_FIELDS, "cluster");
  refuseUnknown(user, USER_FIELDS, "user");
  return { cluster, user, namespace: context.namespace };
}

/** How to reach the API server with it. */
export function connectionOf({ cluster, user }: ActiveContext): KubernetesConnection {
  return {
    server: cluster.server,
    ca: pem(cluster, "certificate-authority"),
    token: tokenOf(user, cluster),
    clientCert: pem(user, "client-certificate"),
    clientKey: pem(user, "client-key"),
  };
}

function tokenOf(user: User, cluster: Cluster): KubernetesConnection["token"] {
  const { token, tokenFile, exec } = user;
  if (token !== undefined) {
    return () => token;
  }
  if (tokenFile !== undefined) {
    return () => readFileSync(tokenFile, "utf8").trim();
  }
  return exec === undefined ? undefined : execCredential(exec, cluster);
}

function pem(entry: Cluster | User, name: string): string | undefined {
  const data = entry[`${name}-data`];
  if (typeof data === "string") {
    return Buffer.from(data, "base64").toString("utf8");
  }
  const file = entry[name];
  return typeof file === "string" ? readFileSync(file, "utf8") : undefined;
}

function refuseUnknown(entry: Record<string, unknown>, known: ReadonlySet<string>, what: string): void {
  for (const [key, value] of Object.entries(entry)) {
    // Written by many tools, and the same as leaving it out.
    const empty = value === false || value === null || value === "";
    if (!known.has(key) && !empty) {
      throw new Error(`the kubernetes double does not model ${key} of a kubeconfig's ${what}`);
    }
  }
}
