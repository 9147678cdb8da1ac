import { ASSIGNMENT } from "./command-line";
import { type Environment, environmentOf, substituted } from "./environment";
import { textsOf } from "./fields";
import type { ReviewedContainer } from "./pods";
import { ReadingLimits, UnreadableScript } from "./reading-limits";
import { commandsOf } from "./shell-script";
import { baseName, behindOptions, behindWrapper } from "./wrappers";

const ENTRYPOINT = "dockerd-entrypoint.sh";

/** What a container's command and arguments make of dockerd. */
export interface DockerdCommand extends Start {
  /** The field whose script is too long or too nested to be read: `command[2]`. Nothing else is known then. */
  readonly unread?: string;
}

interface Start {
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
  const started = command.length === 0 ? [ENTRYPOINT] : command;
  const words = [...started, ...args];
  const starts = startsOf(words, environment);
  const script = scriptAt(words, programIn(words)) ?? 0;
  return {
    entrypointListens: starts?.some(({ entrypointListens }) => entrypointListens) ?? false,
    hosts: starts?.flatMap(({ hosts }) => hosts) ?? [],
    ...(starts === undefined
      ? { unread: script < started.length ? `command[${script}]` : `args[${script - started.length}]` }
      : {}),
  };
}

/** Whether its words start a Docker daemon, whatever the image. */
export function startsDockerd(container: ReviewedContainer): boolean {
  const { command, args, environment } = wordsOf(container);
  return (startsOf([...command, ...args], environment) ?? []).length > 0;
}

function wordsOf(container: ReviewedContainer) {
  const environment = environmentOf(container);
  const words = (list: string) => textsOf(container.fields[list]).map((word) => substituted(word, environment));
  return { command: words("command"), args: words("args"), environment };
}

/** Undefined where a script is too long or too nested to be read. */
function startsOf(words: readonly string[], variable: Environment): readonly Start[] | undefined {
  try {
    return startsIn(words, variable, new ReadingLimits());
  } catch (error) {
    if (error instanceof UnreadableScript) {
      return undefined;
    }
    throw error;
  }
}

/** What its program is, behind whatever wraps it (`tini --`, `env X=1`, `exec`), or what a script of its does. */
function startsIn(words: readonly string[], variable: Environment, limits: ReadingLimits): readonly Start[] {
  const at = programIn(words);
  const program = baseName(words[at]);
  if (program === "dockerd" || program === ENTRYPOINT) {
    return [{ entrypointListens: program === ENTRYPOINT, hosts: hostsOf(words, at + 1) }];
  }
  const script = scriptAt(words, at);
  if (script === undefined) {
    return [];
  }
  const [text = "", ...parameters] = words.slice(script);
  return limits.nested(() =>
    commandsOf(program === "eval" ? [text, ...parameters].join(" ") : text, { parameters, variable, limits }).flatMap(
      (command) => startsIn(command, variable, limits),
    ),
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

/** Index of the script that a program is told to run; undefined where there is none. */
function scriptAt(words: readonly string[], at: number): number | undefined {
  switch (baseName(words[at])) {
    case "eval":
    case "trap":
      return behindOptions(words, at + 1, []);
    case "su": {
      const option = words.findIndex((word, index) => index > at && /^(-[A-Za-z]*c|--command)$/.test(word));
      return option < 0 ? undefined : option + 1;
    }
    default:
      return shellAt(words, at)?.operand;
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
