import { execFile } from "node:child_process";

/** `users[].user.exec` of a kubeconfig. */
export interface ExecConfig {
  apiVersion: string;
  command: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  provideClusterInfo?: boolean;
}

/**
 * Gets tokens as client-go does: runs the command, reads an ExecCredential from its stdout, keeps the token until it
 * expires. Client certificates from such a command are not modelled.
 *
 * @param cluster the kubeconfig's cluster, which the command is told about where the kubeconfig says so.
 */
export function execCredential(config: ExecConfig, cluster: Record<string, unknown>): () => Promise<string> {
  let current: Promise<{ token: string; expires: number }> | undefined;
  return async () => {
    current ??= runCommand(config, cluster);
    let credential: { token: string; expires: number };
    try {
      credential = await current;
    } catch (error) {
      current = undefined;
      throw error;
    }
    if (Date.now() < credential.expires) {
      return credential.token;
    }
    current = runCommand(config, cluster);
    return (await current).token;
  };
}

async function runCommand(
  config: ExecConfig,
  cluster: Record<string, unknown>,
): Promise<{ token: string; expires: number }> {
  const info = {
    kind: "ExecCredential",
    apiVersion: config.apiVersion,
    spec: { interactive: false, ...(config.provideClusterInfo === true ? { cluster } : {}) },
  };
  const own = Object.fromEntries((config.env ?? []).map(({ name, value }) => [name, value]));
  const env = { ...process.env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(config.command, config.args ?? [], { env, timeout: 60_000 }, (error, output, errors) => {
      if (error === null) {
        resolve(output);
      } else {
        const hint = error.code === "ENOENT" && config.installHint !== undefined ? `\n${config.installHint}` : "";
        // Not the output: that is where the token would be.
        reject(
          new Error(`getting credentials: exec: ${config.command}: ${String(error.code ?? "killed")} ${errors}${hint}`),
        );
      }
    });
  });
  return readCredential(stdout, config);
}

function readCredential(stdout: string, config: ExecConfig): { token: string; expires: number } {
  let credential: { kind?: string; apiVersion?: string; status?: { token?: string; expirationTimestamp?: string } };
  try {
    credential = JSON.parse(stdout) as typeof credential;
  } catch {
    throw new Error(`getting credentials: exec: ${config.command} printed no JSON`);
  }
  if (credential.kind !== "ExecCredential" || credential.apiVersion !== config.apiVersion) {
    throw new Error(
      `getting credentials: exec: ${config.command} must print an ExecCredential of ${config.apiVersion}`,
    );
  }
  const { token, expirationTimestamp } = credential.status ?? {};
  if (token === undefined || token === "") {
    throw new Error(`getting credentials: exec: ${config.command} printed no status.token`);
  }
  return { token, expires: expirationTimestamp === undefined ? Infinity : Date.parse(expirationTimestamp) };
}
