import { parsePreview } from "../../tools/preview/preview";
import { summaryOf } from "../../tools/preview/summary";

/** Inputs of a resource. */
export type Inputs = Record<string, unknown>;

/** What the engine writes for a value that only `up` will know. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** The part of a summary that tells privileges, its table's rows as they stand there. */
export function privileges(
  kind: string,
  before: Inputs | undefined,
  after: Inputs | undefined,
  more: object = {},
): string[] {
  const type = kind.startsWith("gcp:") ? kind : `kubernetes:${kind}`;
  const step = {
    op: before === undefined ? "create" : after === undefined ? "delete" : "update",
    urn: `urn:pulumi:dev::p::${type}::x`,
    ...(before === undefined ? {} : { oldState: { inputs: before } }),
    ...(after === undefined ? {} : { newState: { inputs: after } }),
    ...more,
  };
  const summary = summaryOf(parsePreview(JSON.stringify({ steps: [step] })));
  const [, part = ""] = /### Privileges\n\n([^]*?)\n(?:\n|$)/.exec(summary) ?? [];
  return part.split("\n").filter((line) => !/^\|(  \|| --- )/.test(line));
}
