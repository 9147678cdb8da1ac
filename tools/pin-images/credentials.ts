import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** What there is to log in to a registry with. */
export interface Credential {
  /** For HTTP's Basic scheme. Absent: it is asked anonymously. */
  readonly basic?: { readonly username: string; readonly password: string };
  /** Why there is none although Docker has one. */
  readonly note?: string;
}

/** Finds the credential of a registry as `docker login` names it. */
export type Credentials = (registry: string) => Credential;

interface DockerConfig {
  readonly auths?: Readonly<Record<string, AuthEntry | null>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

interface AuthEntry {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

/**
 * Reads what `docker login` wrote: `config.json` in `DOCKER_CONFIG`, else in `~/.docker`. Only what stands in the file
 * itself is used; credential helpers are not run.
 *
 * @throws Error that names the file and shows nothing of its content.
 */
export async function readCredentials(env: NodeJS.ProcessEnv): Promise<Credentials> {
  const folder = env["DOCKER_CONFIG"] ?? "";
  const path = join(folder === "" ? join(env["HOME"] ?? homedir(), ".docker") : folder, "config.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return () => ({});
    throw new Error(`${path} could not be read (${code ?? "no code"}): let it be read, or set DOCKER_CONFIG`, {
      cause: error,
    });
  }
  const config = parse(path, text);
  return (registry) => credentialOf(config, registry, path);
}

function parse(path: string, text: string): DockerConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own words quote the text, and so a password.
    value = undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${path} must be a JSON object as docker login writes it: mend it, or set DOCKER_CONFIG`);
  }
  return value;
}

function credentialOf(config: DockerConfig, registry: string, path: string): Credential {
  const entry = spellings(registry)
    .map((name) => config.auths?.[name])
    .find((found) => found !== undefined && found !== null);
  const basic = entry && basicOf(entry);
  if (basic !== undefined) return { basic };
  const helper = config.credHelpers?.[registry] ?? config.credsStore;
  if (helper !== undefined) {
    return {
      note: `${path} leaves credentials to docker-credential-${helper}, which this tool does not run: write a config.json with "auths" into a folder of its own and set DOCKER_CONFIG to it`,
    };
  }
  if (entry?.identitytoken !== undefined) {
    return {
      note: `${path} has an identity token for it, which this tool does not use: log in with a user name and an access token`,
    };
  }
  return {};
}

/** Docker writes Docker Hub under its first address, and some tools write others as addresses. */
function spellings(registry: string): string[] {
  const plain = [registry, `https://${registry}`, `https://${registry}/`];
  return registry === "docker.io"
    ? ["https://index.docker.io/v1/", "index.docker.io", ...plain]
    : [...plain, `https://${registry}/v1/`, `https://${registry}/v2/`];
}

function basicOf(entry: AuthEntry): Credential["basic"] {
  const { username, password, auth, identitytoken } = entry;
  if (identitytoken !== undefined && identitytoken !== "") return undefined;
  if (username !== undefined && password !== undefined) return { username, password };
  const text = Buffer.from(auth ?? "", "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 1 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
