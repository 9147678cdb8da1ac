import { z } from "zod";
import { TABLE } from "../stack/config-table";

/** The lines between which README.md holds the table. */
export const MARKERS = { begin: "<!-- configuration -->", end: "<!-- /configuration -->" } as const;

/** What is read of zod's JSON schema. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
}

/** Every key of the stack configuration as a Markdown table, those of a queue in a second one. Pure. */
export function configurationTable(): string {
  const stack = z.toJSONSchema(TABLE) as Schema;
  const queue = stack.properties?.["queues"]?.items ?? {};
  return [...tableOf(stack, ""), "", "A queue, one entry of the list `queues`:", "", ...tableOf(queue, "")].join("\n");
}

/**
 * A document with the text between the markers replaced.
 *
 * @throws Error when a marker is missing.
 */
export function withConfigurationTable(document: string, table: string): string {
  const begin = document.indexOf(MARKERS.begin);
  const end = document.indexOf(MARKERS.end);
  if (begin < 0 || end < begin) {
    throw new Error(`README.md must hold the line ${MARKERS.begin} and, after it, ${MARKERS.end}`);
  }
  return `${document.slice(0, begin + MARKERS.begin.length)}\n\n${table}\n\n${document.slice(end)}`;
}

function tableOf(schema: Schema, prefix: string): string[] {
  return ["| Key | Value | Meaning |", "| --- | --- | --- |", ...rowsOf(schema, prefix)];
}

/** One row for each key, and below a map's or list's row those keys inside it that have a meaning of their own. */
function rowsOf(schema: Schema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const path = `${prefix}${key}`;
    const required = prefix === "" && schema.required?.includes(key) === true;
    const meaning = `${required ? "**Required.** " : ""}${value.description ?? ""}`;
    const inner = innerRows(value, path);
    // A map that says nothing of itself is told by its keys.
    return meaning === "" && inner.length > 0
      ? inner
      : [`| \`${path}\` | ${typeOf(value, path)} | ${cell(meaning)} |`, ...inner];
  });
}

function innerRows(schema: Schema, path: string): string[] {
  if (path === "queues") {
    return [];
  }
  const entry = typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
  const [inner, prefix] =
    schema.items !== undefined
      ? [schema.items, `${path}[].`]
      : entry !== undefined
        ? [entry, `${path}.<name>.`]
        : [schema, `${path}.`];
  const said = Object.values(inner.properties ?? {}).every((value) => value.description ?? value.properties);
  return said ? rowsOf(inner, prefix) : [];
}

function typeOf(schema: Schema, path = ""): string {
  const { items, additionalProperties, minimum, maximum, properties } = schema;
  if (path === "queues") {
    return "list, see below";
  }
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => `\`${value}\``).join(", ");
  }
  switch (schema.type) {
    case "string":
      return "text";
    case "boolean":
      return "`true`, `false`";
    case "integer":
      return minimum === undefined || minimum < -1e9 ? "whole number" : `${minimum} to ${maximum ?? "any"}`;
    case "array":
      return items?.properties === undefined
        ? `list of ${items === undefined ? "any" : `${typeOf(items)}s`}`
        : `list of {${Object.keys(items.properties).join(", ")}}`;
    default:
      return properties === undefined && typeof additionalProperties === "object"
        ? `map of ${additionalProperties.properties === undefined ? `${typeOf(additionalProperties)}s` : `{${Object.keys(additionalProperties.properties).join(", ")}}`}`
        : `{${Object.keys(properties ?? {}).join(", ")}}`;
  }
}

/** A text as a cell: `<stack>` outside of code would be taken for HTML. */
function cell(text: string): string {
  return text
    .split("`")
    .map((part, index) => (index % 2 === 0 ? part.replaceAll("<", "&lt;") : part))
    .join("`")
    .replaceAll("|", "\\|");
}
