import { closest } from "fastest-levenshtein";
import type { z } from "zod";
import { QUEUE, SECRET_KEYS, TABLE } from "./config-table";

/** Where a value stands: the key, and inside a structured one the way to it. */
type Path = readonly PropertyKey[];

/**
 * What the table has against a value, in words: key, rule, value, fix. A secret's value is never part of it.
 *
 * @param typed the stack's values, to show the one that is wrong.
 */
export function faultsOf(issue: z.core.$ZodIssue, typed: Record<string, unknown>): string[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey(path, key));
  }
  if (issue.code === "invalid_key") {
    const rules = issue.issues.map(({ message }) => message).join(", ");
    return [`${textOf(path)} is not allowed as a key: it ${rules}; ${removeCommand(path)}`];
  }
  const value = path.reduce<unknown>(
    (inner, part) => (inner as Record<PropertyKey, unknown> | undefined)?.[part],
    typed,
  );
  if (value === undefined) {
    return [`${textOf(path)} is missing: ${fix(issue)}`];
  }
  const got = isSecret(path) ? "a secret that is not shown" : JSON.stringify(value);
  return [`${textOf(path)} ${rule(issue)}, got ${got}: ${fix(issue)}`];
}

/** What there is against a secret in a key that is not for secrets, in words: its key, the reason, the fix. */
export function misplacedSecret(key: string): string {
  const [what, fix] =
    key === "queues"
      ? [
          "holds a value that was set with --secret",
          "put it into a Secret of the agents' namespace and name that in the queue's secretEnv; " +
            "if it is no secret, set it again with: pulumi config set --plaintext --path 'queues[...]...' <value>",
        ]
      : ["was set with --secret", `set it again with: pulumi config set --plaintext ${key} <value>`];
  return `${key} ${what}, but is none of the secret keys (${SECRET_KEYS.join(", ")}) and would stand in clear in the state: ${fix}`;
}

function fix(issue: z.core.$ZodIssue): string {
  const { path } = issue;
  const expected = issue.code === "invalid_type" && path.length > 1 ? issue.expected : undefined;
  switch (expected) {
    case "array":
    case "object":
    case "record":
      return "write it into the stack file; no command sets a list or a map there";
    case "string":
      // Inside a structure `true` and `5` would not stay texts.
      return setCommand(path, " --type string");
    default:
      return setCommand(path);
  }
}

/** The command that sets a value. Inside a structured key `--path`: without it the whole structure would be replaced. */
export function setCommand(path: Path, options = ""): string {
  const secret = isSecret(path) ? " --secret" : "";
  // A secret is asked for, so that it is not in the shell's history.
  const value = isSecret(path) ? "" : " <value>";
  return `set it with: pulumi config set${secret}${options} ${argumentOf(path)}${value}`;
}

function removeCommand(path: Path): string {
  return `remove it with: pulumi config rm ${argumentOf(path)}`;
}

function argumentOf(path: Path): string {
  return path.length > 1 ? `--path '${textOf(path).replaceAll("'", "'\\''")}'` : textOf(path);
}

/** Whether a path leads to one of the secret keys. */
export function isSecret([key]: Path): boolean {
  return (SECRET_KEYS as readonly PropertyKey[]).includes(key ?? "");
}

/** As Pulumi spells a path: `queues[0].key`, and in brackets what would not be one name, such as a label with dots. */
function textOf(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") {
      return `${text}[${part}]`;
    }
    const name = String(part);
    if (text !== "" && !/^[\w-]+$/.test(name)) {
      return `${text}[${JSON.stringify(name)}]`;
    }
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

function rule(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "too_small":
      return `must be ${String(issue.minimum)} or more${issue.origin === "string" ? " characters long" : issue.origin === "array" ? " entries long" : ""}`;
    case "too_big":
      return `must be ${String(issue.maximum)} or less`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "invalid_type":
      return `must be ${TYPE_WORDS[issue.expected] ?? issue.expected}`;
    default:
      return issue.message.startsWith("must") ? issue.message : `is not allowed (${issue.message})`;
  }
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a whole number",
  boolean: "true or false",
  string: "a text",
  array: "a list",
  object: "a map of keys",
  record: "a map of keys",
};

function unknownKey(path: Path, key: string): string {
  const known = Object.keys(path.length === 0 ? TABLE.shape : path[0] === "queues" ? QUEUE.shape : {});
  const nearest = known.length === 0 ? undefined : closest(key, known);
  const command = `Remove it with: pulumi config rm ${argumentOf([...path, key])}`;
  return `${textOf([...path, key])} is not a key of this program${nearest === undefined ? "" : `; did you mean ${nearest}?`} ${command}`;
}
