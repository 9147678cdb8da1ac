import { fieldsOf, type Fields, textOf } from "../../policy/fields";

/** One resource of a preview: what it is, what happens to it, what it was and will be. */
export interface PreviewStep {
  readonly urn: string;
  /** `kubernetes:core/v1:Service`. */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
  readonly op: "create" | "update" | "replace" | "delete" | "same" | "other";
  /** Inputs before; absent where there was nothing. */
  readonly before?: Fields;
  /** Inputs after; absent where nothing stays. */
  readonly after?: Fields;
  /** Paths that change; for a replacement those that force it. Never values. */
  readonly paths: readonly string[];
}

/** A preview as `pulumi preview --json` prints it. */
export interface Preview {
  readonly stack: string;
  readonly steps: readonly PreviewStep[];
}

/** A text that is no preview, said in words a person can act on. */
export class PreviewInputError extends Error {}

/** The engine's halves of a replacement, told beside `replace` itself. */
const HALVES = new Set(["create-replacement", "delete-replaced", "discard-replaced"]);

const OPS: Readonly<Record<string, PreviewStep["op"]>> = {
  create: "create",
  import: "create",
  update: "update",
  replace: "replace",
  delete: "delete",
  same: "same",
};

/** @throws PreviewInputError that says what was found instead of a preview, and what to do. */
export function parsePreview(text: string): Preview {
  if (text.trim() === "") {
    throw new PreviewInputError(
      "the input is empty: pulumi preview --json printed nothing, so it failed before its first resource; its own error says why",
    );
  }
  const steps = fieldsOf(parseJson(text))["steps"];
  if (!Array.isArray(steps)) {
    throw new PreviewInputError(
      "the input is JSON without a list `steps`: pass what `pulumi preview --json` prints, whole, and not a stack export or an event log",
    );
  }
  const read = steps.map((step, index) => stepOf(step, index)).filter((step) => step !== undefined);
  return { stack: /^urn:pulumi:([^:]*)::/.exec(read[0]?.urn ?? "")?.[1] ?? "?", steps: read };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // The parser's own message may quote the input, which may hold anything.
    const position = /position (\d+)/.exec(String(error))?.[1];
    throw new PreviewInputError(
      `the input is no JSON (${text.length} characters${position === undefined ? "" : `, wrong at ${position}`}): pass what ` +
        "`pulumi preview --json` prints to its standard output, whole, and nothing else",
    );
  }
}

function stepOf(value: unknown, index: number): PreviewStep | undefined {
  const step = fieldsOf(value);
  const [op, urn] = [textOf(step["op"]), textOf(step["urn"])];
  if (op === undefined || urn === undefined) {
    throw new PreviewInputError(`steps[${index}] has no op or no urn: this is not what pulumi preview --json prints`);
  }
  if (HALVES.has(op)) {
    return undefined;
  }
  const parts = urn.split("::");
  return {
    urn,
    type: (parts[2] ?? "").split("$").pop() ?? "",
    name: parts.slice(3).join("::"),
    op: OPS[op] ?? "other",
    before: inputsOf(step["oldState"]),
    after: inputsOf(step["newState"]),
    paths: pathsOf(step),
  };
}

function inputsOf(state: unknown): Fields | undefined {
  return typeof state === "object" && state !== null ? fieldsOf(fieldsOf(state)["inputs"]) : undefined;
}

function pathsOf(step: Fields): string[] {
  const detailed = Object.entries(fieldsOf(step["detailedDiff"]));
  const forcing = detailed.filter(([, change]) => (textOf(fieldsOf(change)["kind"]) ?? "").endsWith("-replace"));
  const chosen = forcing.length > 0 ? forcing : detailed;
  if (chosen.length > 0) {
    return chosen.map(([path]) => path).sort();
  }
  const reasons = [step["replaceReasons"], step["diffReasons"]].find((list) => Array.isArray(list) && list.length > 0);
  return Array.isArray(reasons) ? reasons.map(String).sort() : [];
}
