import { ASSIGNMENT } from "./command-line";
import { type Environment, environmentOf, substituted } from "./environment";
import { textsOf } from "./fields";
import type { ReviewedContainer } from "./pods";
import { commandsOf } from "./shell-script";
import { baseName, behindOptions, behindWrapper } from "./wrappers";

const ENTRYPOINT = "dockerd-entrypoint.sh";

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

/** What its program is, behind whatever wraps it (`tini --`, `env X=1`, `exec`), or what a script of its does. */
function startsIn(words: readonly string[], environment: Environment, depth = 0): readonly DockerdCommand[] {
  const at = programIn(words);
  const program = baseName(words[at]);
  if (program === "dockerd" || program === ENTRYPOINT) {
    return [{ entrypointListens: program === ENTRYPOINT, hosts: hostsOf(words, at + 1) }];
  }
  const script = depth < DEEPEST ? scriptAt(words, at) : undefined;
  return script === undefined
    ? []
    : commandsOf(script.text, { parameters: script.parameters, variable: environment }).flatMap((command) =>
        startsIn(command, environment, depth + 1),
      );
}

/** Index of the word that names what the command starts in the end. */
function programIn(words: readonly string[]): number {
  let at = 0;
  for (let next: number | undefined = at; next !== undefined; next = behind(words, at)) {
    at = next;
  }
  return at;
}

/** Index of the word that counts in place of this one; undefined where this one does. */
function behind(words: readonly string[], at: number): number | undefined {
  const word = words[at] ?? "";
  // A variable that is not known may be nothing: `$SUDO dockerd`.
  if (/^\$[^/]*$/.test(word) || ASSIGNMENT.test(word)) {
    return at + 1;
  }
  if (baseName(word) === ENTRYPOINT) {
    // Anything else than an option is what the entrypoint starts in its place.
    return listens(words[at + 1]) ? undefined : at + 1;
  }
  const { isScript, operand } = shellAt(words, at) ?? {};
  return isScript === false ? operand : behindWrapper(words, at);
}

/** The entrypoint's own condition for `dockerd --host=tcp://0.0.0.0:2376`, or 2375 without TLS. */
function listens(first: string | undefined): boolean {
  // A variable whose value is not known may be an option, or nothing.
  return first === undefined || /^[-$]/.test(first);
}

interface Script {
  readonly text: string;
  /** `$0`, `$1` and so on. */
  readonly parameters: readonly string[];
}

/** The script that a program is told to run; undefined where there is none. */
function scriptAt(words: readonly string[], at: number): Script | undefined {
  switch (baseName(words[at])) {
    case "eval":
      return { text: words.slice(at + 1).join(" "), parameters: [] };
    case "trap":
      return { text: words[behindOptions(words, at + 1, [])] ?? "", parameters: [] };
    case "su": {
      const option = words.findIndex((word, index) => index > at && /^(-[A-Za-z]*c|--command)$/.test(word));
      return option < 0 ? undefined : { text: words[option + 1] ?? "", parameters: [] };
    }
    default: {
      const shell = shellAt(words, at);
      return shell && { text: words[shell.operand] ?? "", parameters: words.slice(shell.operand + 1) };
    }
  }
}

/** `sh -c script name parameters...`, or `sh file parameters...`. */
function shellAt(words: readonly string[], at: number): { operand: number; isScript: boolean } | undefined {
  if (!/^(ba|da|a|k|z)?sh$/.test(baseName(words[at]))) {
    return undefined;
  }
  const operand = behindOptions(words, at + 1, ["-O", "-o"]);
  return { operand, isScript: words.slice(at + 1, operand).some((option) => /^-[A-Za-z]*c/.test(option)) };
}

function hostsOf(words: readonly string[], from: number): string[] {
  return words.flatMap((word, index) => {
    const match = /^(?:--host|-D?H)(?:=([^]*))?$/.exec(word) ?? /^-D?H([^]+)$/.exec(word);
    return match === null || index < from ? [] : [match[1] ?? words[index + 1] ?? ""];
  });
}
