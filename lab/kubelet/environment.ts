/**
 * A container's environment as a kubelet makes it: literals with $(NAME) references, keys of Secrets and ConfigMaps
 * read live from the API, fields of the pod. Shared by the lab's stand-ins for pods.
 */
import { ContainerConfigError, type EntryReader } from "./keyed-objects";
import type { Container, EnvironmentVariable, KeyReference, Pod } from "./pod";

/** @throws ContainerConfigError in the kubelet's words when a Secret, ConfigMap or key is missing. */
export async function containerEnvironment(
  pod: Pod,
  container: Container,
  reader: EntryReader,
): Promise<Record<string, string>> {
  const environment: Record<string, string> = {};
  for (const { prefix = "", secretRef, configMapRef } of container.envFrom ?? []) {
    const entries =
      secretRef !== undefined
        ? await reader.entries("secret", secretRef.name, secretRef.optional)
        : configMapRef !== undefined
          ? await reader.entries("configmap", configMapRef.name, configMapRef.optional)
          : undefined;
    for (const [key, value] of entries ?? []) {
      environment[`${prefix}${key}`] = value.toString("utf8");
    }
  }
  for (const variable of container.env ?? []) {
    const value = await valueOf(pod, container, variable, environment, reader);
    if (value !== undefined) {
      environment[variable.name] = value;
    }
  }
  return environment;
}

/** Replaces $(NAME) by the variable's value; $$ stands for $; unknown names stay as they are. */
export function expand(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\$|\(([^()$\s]+)\))/g, (whole, _rest: string, name: string | undefined) =>
    name === undefined ? "$" : (environment[name] ?? whole),
  );
}

/** A field of the pod by its downward API path. @throws ContainerConfigError when the path is not supported. */
export function podField(pod: Pod, fieldPath: string): string {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  if (keyed !== null) {
    const map = keyed[1] === "labels" ? pod.metadata.labels : pod.metadata.annotations;
    return map?.[keyed[2] ?? ""] ?? "";
  }
  const fields: Readonly<Record<string, string | undefined>> = {
    "metadata.name": pod.metadata.name,
    "metadata.namespace": pod.metadata.namespace,
    "metadata.uid": pod.metadata.uid,
    "spec.nodeName": pod.spec.nodeName ?? "",
    "spec.serviceAccountName": pod.spec.serviceAccountName ?? "default",
    "status.podIP": pod.status?.podIP ?? "",
    "status.podIPs": pod.status?.podIP ?? "",
    "status.hostIP": pod.status?.hostIP ?? "",
  };
  const value = fields[fieldPath];
  if (value === undefined) {
    throw new ContainerConfigError(`unsupported fieldPath: ${fieldPath}`);
  }
  return value;
}

async function valueOf(
  pod: Pod,
  container: Container,
  { value, valueFrom }: EnvironmentVariable,
  environment: Readonly<Record<string, string>>,
  reader: EntryReader,
): Promise<string | undefined> {
  if (valueFrom?.secretKeyRef !== undefined) {
    return await keyOf(pod, "secret", valueFrom.secretKeyRef, reader);
  }
  if (valueFrom?.configMapKeyRef !== undefined) {
    return await keyOf(pod, "configmap", valueFrom.configMapKeyRef, reader);
  }
  if (valueFrom?.fieldRef !== undefined) {
    return podField(pod, valueFrom.fieldRef.fieldPath);
  }
  if (valueFrom?.resourceFieldRef !== undefined) {
    const [kind, name] = valueFrom.resourceFieldRef.resource.split(".");
    return container.resources?.[kind === "limits" ? "limits" : "requests"]?.[name ?? ""] ?? "0";
  }
  return expand(value ?? "", environment);
}

async function keyOf(
  pod: Pod,
  kind: "secret" | "configmap",
  { name, key, optional }: KeyReference,
  reader: EntryReader,
): Promise<string | undefined> {
  const value = (await reader.entries(kind, name, optional))?.get(key);
  if (value === undefined && optional !== true) {
    const title = kind === "secret" ? "Secret" : "ConfigMap";
    throw new ContainerConfigError(`couldn't find key ${key} in ${title} ${pod.metadata.namespace}/${name}`);
  }
  return value?.toString("utf8");
}
