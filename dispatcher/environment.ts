import { readFileSync } from "node:fs";
import { readSettings, type DispatcherSettings } from "./settings";

/** What the container is started with. */
export interface Environment {
  settings: DispatcherSettings;
  /** Directory: every file that does not begin with a dot is one accepted secret. */
  webhookSecrets: string;
  /** Directory: every file is one agent token, `current` the first; `undefined` in webhook-only. */
  agentToken: string | undefined;
  /** Directory with `token` and `ca.crt`. */
  serviceAccount: string;
  /** Directory with `tls.crt` and `tls.key`; `undefined`: the webhook port speaks plain HTTP. */
  tls: string | undefined;
  /** The same for the port of job acquisition tokens; `undefined` where there are none. */
  jobTokensTls: string | undefined;
  port: number;
  operationsPort: number;
  jobTokensPort: number;
  /** All ports listen here; `undefined`: on all addresses, as a pod has to. */
  listenAddress: string | undefined;
  podName: string;
  apiServer: { host: string; port: string };
}

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads the environment and the settings it names.
 *
 * @throws Error naming the variable, what is wrong with it and what it is for.
 */
export function readEnvironment(variables: Variables): Environment {
  const settingsPath = required(variables, "DISPATCHER_SETTINGS", "the path of settings.json");
  let text: string;
  try {
    text = readFileSync(settingsPath, "utf8");
  } catch (error) {
    throw new Error(`DISPATCHER_SETTINGS: cannot read ${settingsPath}`, { cause: error });
  }
  const settings = readSettings(text);
  const tls = variables["DISPATCHER_TLS"] ?? "";
  return {
    settings,
    webhookSecrets: required(variables, "DISPATCHER_WEBHOOK_SECRETS", "the directory of the webhook secrets"),
    agentToken:
      settings.mode === "webhook-only"
        ? undefined
        : required(variables, "DISPATCHER_AGENT_TOKEN", "the directory of the agent token, which mode reconcile needs"),
    serviceAccount: required(variables, "DISPATCHER_SERVICE_ACCOUNT", "the directory of the service account's token"),
    tls: tls === "" ? undefined : tls,
    jobTokensTls:
      settings.buildkite?.jobAcquisitionTokens === true
        ? required(
            variables,
            "DISPATCHER_JOB_TOKENS_TLS",
            "the directory of the certificate for job acquisition tokens",
          )
        : undefined,
    port: port(variables, "PORT", 8080),
    operationsPort: port(variables, "OPERATIONS_PORT", 8081),
    jobTokensPort: port(variables, "JOB_TOKENS_PORT", 8443),
    listenAddress: variables["LISTEN_ADDRESS"] === "" ? undefined : variables["LISTEN_ADDRESS"],
    podName: variables["POD_NAME"] ?? "unknown",
    apiServer: {
      host: required(variables, "KUBERNETES_SERVICE_HOST", "the API server's address, set by the kubelet in every pod"),
      port: variables["KUBERNETES_SERVICE_PORT"] ?? "443",
    },
  };
}

function required(variables: Variables, name: string, meaning: string): string {
  const value = variables[name] ?? "";
  if (value === "") {
    throw new Error(`${name} is not set: it must be ${meaning}`);
  }
  return value;
}

function port(variables: Variables, name: string, standard: number): number {
  const text = variables[name] ?? String(standard);
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535) {
    throw new Error(`${name} must be a port from 0 (any) to 65535, got ${JSON.stringify(text)}`);
  }
  return value;
}
