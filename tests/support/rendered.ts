import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { Registration } from "./mocks";

/** A Kubernetes object as the program renders it. */
export interface RenderedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

/** The Kubernetes objects among what a program registered, autonamed ones under the name that the mocks gave them. */
export function renderedObjects(registrations: readonly Registration[]): RenderedObject[] {
  return registrations
    .filter(({ type }) => type.startsWith("kubernetes:"))
    .map(({ name, inputs }) => {
      const metadata = inputs["metadata"] as { name?: string } | undefined;
      return { ...inputs, metadata: { ...metadata, name: metadata?.name ?? `${name}-abc1234` } } as RenderedObject;
    });
}

const PLURALS: Readonly<Record<string, string>> = {
  NetworkPolicy: "networkpolicies",
  ValidatingAdmissionPolicy: "validatingadmissionpolicies",
  Ingress: "ingresses",
};

/** Path of an object's collection. Knows the kinds that this project renders. */
export function collectionPath({ apiVersion, kind, metadata }: RenderedObject): string {
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const plural = PLURALS[kind] ?? `${kind.toLowerCase()}s`;
  return `${group}${metadata.namespace === undefined ? "" : `/namespaces/${metadata.namespace}`}/${plural}`;
}

/** Creates the objects as the API server takes them in strict mode: unknown and repeated fields are errors. */
export async function createStrictly(client: KubernetesClient, objects: readonly RenderedObject[]): Promise<void> {
  const namespacesFirst = [...objects].sort((a, b) => rank(a) - rank(b));
  for (const object of namespacesFirst) {
    await client.request("POST", collectionPath(object), { body: object, query: { fieldValidation: "Strict" } });
  }
}

function rank({ kind }: RenderedObject): number {
  return kind === "Namespace" ? 0 : 1;
}
