import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { ReviewedResource } from "../../policy/rule";

interface Manifest extends Record<string, unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** The objects of a YAML file as the engine would register them: the file's fields are the resource's inputs. */
export function resourcesOf(file: string): ReviewedResource[] {
  const text = readFileSync(join(__dirname, "..", "policy", "fixtures", file), "utf8");
  return parseAllDocuments(text).map((document) => resourceOf(document.toJS() as Manifest));
}

/** One object so. */
export function resourceOf(manifest: Manifest, stack = "dev"): ReviewedResource {
  const { apiVersion, kind, metadata } = manifest;
  const type = `kubernetes:${apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`}:${kind}`;
  return { type, name: metadata.name, urn: `urn:pulumi:${stack}::test::${type}::${metadata.name}`, props: manifest };
}

/** A resource of another kind. */
export function resource(type: string, name: string, props: Record<string, unknown>, parent = ""): ReviewedResource {
  return { type, name, urn: `urn:pulumi:dev::test::${parent}${type}::${name}`, props };
}
