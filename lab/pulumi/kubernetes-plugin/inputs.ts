import { hexDigits } from "../provider-protocol/generated-name";
import { isObject, isSecret, isUnknown, type Properties } from "../provider-protocol/property-values";
import type { CheckRequest } from "../provider-protocol/provider";
import { stringAt } from "./kubernetes-object";

/** Annotation on an object whose name the provider made up: on a replacement it may get another one. */
export const AUTONAMED = "pulumi.com/autonamed";

/** Modules of the SDK that are no kinds of the API. */
const NO_KINDS = /^kubernetes:(helm\.sh|yaml|kustomize|apiextensions\.k8s\.io\/v1:CustomResource$)/;

/**
 * The object that the program asks for, with what the provider fills in: apiVersion and kind, the namespace, the name.
 *
 * @throws Error for types that this double does not model.
 */
export function checkedInputs(request: CheckRequest, namespace: string | undefined): Properties {
  const { apiVersion, kind } = kindOf(request.type);
  const inputs: Properties = { ...request.news, apiVersion, kind };
  const metadata = inputs["metadata"] ?? {};
  if (!isObject(metadata) || isUnknown(metadata) || isSecret(metadata)) {
    return inputs;
  }
  const completed: Properties = { ...metadata };
  if (completed["generateName"] !== undefined && completed["generateName"] !== null) {
    throw new Error("the `.metadata.generateName` field is not supported in Server-Side Apply mode");
  }
  if ((completed["name"] ?? undefined) === undefined) {
    completed["name"] = oldGeneratedName(request.olds) ?? `${request.name}-${hexDigits(request.randomSeed, 8)}`;
    const annotations = isObject(completed["annotations"]) ? completed["annotations"] : {};
    completed["annotations"] = { ...annotations, [AUTONAMED]: "true" };
  }
  if (namespace !== undefined && (completed["namespace"] ?? undefined) === undefined) {
    completed["namespace"] = namespace;
  }
  return { ...inputs, metadata: completed };
}

function oldGeneratedName(olds: Properties): string | undefined {
  return isGenerated(olds) ? stringAt(olds, "metadata", "name") : undefined;
}

/** Whether the name was made up by the provider. */
export function isGenerated(inputs: Properties): boolean {
  return stringAt(inputs, "metadata", "annotations", AUTONAMED) === "true";
}

/** `kubernetes:apps/v1:Deployment` as apiVersion and kind. */
export function kindOf(type: string): { apiVersion: string; kind: string } {
  const [, module = "", kind = ""] = type.split(":");
  if (NO_KINDS.test(type) || !/\/v\d/.test(module) || /(Patch|List)$/.test(kind)) {
    throw new Error(`the kubernetes double does not model resources of type ${type}`);
  }
  return { apiVersion: module.replace(/^core\//, ""), kind };
}
