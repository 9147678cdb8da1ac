import { type Environment, environmentOf, substituted } from "./environment";
import { textsOf } from "./fields";
import type { ReviewedContainer } from "./pods";
import { commandsOf } from "./shell-script";

const ENTRYPOINT = "dockerd-entrypoint.sh";

/** Programs that take a program's name and do not start it. */
const NAMES_ONLY = new Set(
  "[ [[ cat chmod cp echo grep killall ln ls mv pgrep pidof pkill printf rm sed test type which".split(" "),
);

/** Scripts inside scripts that are read. A variable may hold a script that names the variable. */
const DEEPEST = 4;

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
export function dockerdCommandOf(container: ReviewedContainer): DockerdCommand {
  const { command, args, environment } = wordsOf(container);
  // Without a command the image's own entrypoint is what starts.
  const starts = startsIn(command.length === 0 ? [ENTRYPOINT, ...args] : [...command, ...args], environment);
  return {
    entrypointListens: starts.some(({ entrypointListens }) => entrypointListens),
    hosts: starts.flatMap(({ hosts }) => hosts),
  };
}

/** Whether its words start a Docker daemon, whatever the image. */
export function startsDockerd(container: ReviewedContainer): boolean {
  const { command, args, environment } = wordsOf(container);
  return startsIn([...command, ...args], environment).length > 0;
}

function wordsOf(container: ReviewedContainer) {
  const environment = environmentOf(container);
  const words = (list: string) => textsOf(container.fields[list]).map((word) => substituted(word, environment));
  return { command: words("command"), args: words("args"), environment };
}

/** Whatever wraps it (`tini --`, `env X=1`, `sh`, `exec`), the first word that is dockerd, its entrypoint or a script counts. */
function startsIn(words: readonly string[], environment: Environment, depth = 0): readonly DockerdCommand[] {
  for (const [index, word] of words.entries()) {
    const rest = words.slice(index + 1);
    if (NAMES_ONLY.has(baseName(word)) || (word === "command" && /^-[vV]$/.test(rest[0] ?? ""))) {
      return [];
    }
    if (baseName(word) === "dockerd") {
      return [{ entrypointListens: false, hosts: hostsOf(rest) }];
    }
    if (baseName(word) === ENTRYPOINT) {
      // Anything else than an option is what the entrypoint starts in its place.
      return listens(rest) ? [{ entrypointListens: true, hosts: hostsOf(rest) }] : startsIn(rest, environment, depth);
    }
    const starts = (depth < DEEPEST ? scriptsIn(word, rest) : []).flatMap(({ script, parameters }) =>
      commandsOf(script, { parameters, variable: environment }).flatMap((command) =>
        startsIn(command, environment, depth + 1),
      ),
    );
    if (starts.length > 0) {
      return starts;
    }
  }
  return [];
}

/** The entrypoint's own condition for `dockerd --host=tcp://0.0.0.0:2376`, or 2375 without TLS. */
function listens([first]: readonly string[]): boolean {
  // A variable whose value is not known may be an option, or nothing.
  return first === undefined || /^[-$]/.test(first);
}

interface Script {
  readonly script: string;
  readonly parameters: readonly string[];
}

/** `sh -c script name parameters...`; any other word of several words may be one, too: `eval`, `su -c`, `trap`. */
function scriptsIn(word: string, rest: readonly string[]): readonly Script[] {
  if (!/^(ba|da|a|k|z)?sh$/.test(baseName(word))) {
    return /\s/.test(word) ? [{ script: word, parameters: [] }] : [];
  }
  let [at, isScript] = [0, false];
  for (let option = rest[at]; option !== undefined && /^[-+]/.test(option); option = rest[at]) {
    isScript ||= /^-[A-Za-z]*c/.test(option);
    // `-o pipefail` is one option.
    at += /^[-+][A-Za-z]*[oO]$/.test(option) ? 2 : 1;
  }
  const script = rest[at];
  return isScript && script !== undefined ? [{ script, parameters: rest.slice(at + 1) }] : [];
}

function hostsOf(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    const match = /^(?:--host|-D?H)(?:=([^]*))?$/.exec(word) ?? /^-D?H([^]+)$/.exec(word);
    return match === null ? [] : [match[1] ?? words[index + 1] ?? ""];
  });
}

function baseName(path: string): string {
  return /\s/.test(path) ? "" : (path.split("/").pop() ?? "");
}
