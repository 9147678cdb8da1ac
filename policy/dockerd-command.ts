import { textsOf } from "./fields";
import type { ReviewedContainer } from "./pods";

/** What a container's command and arguments make of dockerd. */
export interface DockerdCommand {
  /**
   * Whether the image's entrypoint adds a TCP listener of its own: it does where its first argument is missing or an
   * option (docker-library/docker, dockerd-entrypoint.sh).
   */
  readonly entrypointListens: boolean;
  /** Addresses that dockerd is told to listen on; none means its default, a unix socket. */
  readonly hosts: readonly string[];
}

/** Reads it from the container, as the kubelet would start it. */
export function dockerdCommandOf({ fields }: ReviewedContainer): DockerdCommand {
  const [command, args] = [textsOf(fields["command"]), textsOf(fields["args"])];
  const words = [...command, ...args];
  const shell = shellOf(words);
  if (shell !== undefined) {
    const script = shell.script.split(/[\s;&|()'"]+/).filter((word) => word !== "");
    return {
      entrypointListens: callsIn(script, shell.parameters).some(listens),
      hosts: [...hostsOf(script), ...hostsOf(shell.parameters)],
    };
  }
  const passed = command.length === 0 ? args : isEntrypoint(words[0]) ? words.slice(1) : undefined;
  return { entrypointListens: passed !== undefined && listens(passed), hosts: hostsOf(words) };
}

/** The entrypoint's own condition for `dockerd --host=tcp://0.0.0.0:2376`, or 2375 without TLS. */
function listens([first]: readonly string[]): boolean {
  return first?.startsWith("-") ?? true;
}

/** `sh -c script name parameters...`; undefined where no shell is what starts. */
function shellOf(words: readonly string[]): { script: string; parameters: readonly string[] } | undefined {
  if (!/^(ba|da|a)?sh$/.test(baseName(words[0]))) {
    return undefined;
  }
  const flag = words.findIndex((word, index) => index > 0 && /^-[a-z]*c$/.test(word));
  return flag < 0 ? undefined : { script: words[flag + 1] ?? "", parameters: words.slice(flag + 3) };
}

/** What a script passes to the image's entrypoint, call by call. */
function callsIn(script: readonly string[], parameters: readonly string[]): (readonly string[])[] {
  const calls = script.flatMap((word, index) => (isEntrypoint(word) ? [script.slice(index + 1, index + 2)] : []));
  const itself = isEntrypoint(parameters[0]) ? [parameters.slice(1)] : [];
  return [
    // A word that is neither dockerd nor the script's parameters belongs to the next command.
    ...calls.map((next) => (next[0] === "$@" || next[0] === "$*" ? parameters : next[0] === "dockerd" ? next : [])),
    ...itself,
  ];
}

function hostsOf(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    const match = /^(?:--host|-H)(?:=(.*))?$/.exec(word) ?? /^-H(.+)$/.exec(word);
    return match === null ? [] : [match[1] ?? words[index + 1] ?? ""];
  });
}

function isEntrypoint(word: string | undefined): boolean {
  return baseName(word) === "dockerd-entrypoint.sh";
}

function baseName(path: string | undefined): string {
  return path?.split("/").pop() ?? "";
}
