import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { podField } from "./environment";
import type { EntryReader, Entries } from "./keyed-objects";
import { ContainerConfigError } from "./keyed-objects";
import type { DownwardItem, KeyToPath, Pod, ProjectedSource, Volume } from "./pod";

/** Files of a volume by relative path. */
export type VolumeFiles = Map<string, Buffer>;

/** The ConfigMaps and Secrets that a volume is made from, as `secret/<name>` and `configmap/<name>`. */
export function referencesOf(volume: Volume): Set<string> {
  const references = new Set<string>();
  if (volume.configMap !== undefined) {
    references.add(`configmap/${volume.configMap.name}`);
  }
  if (volume.secret !== undefined) {
    references.add(`secret/${volume.secret.secretName}`);
  }
  for (const { secret, configMap } of volume.projected?.sources ?? []) {
    if (secret !== undefined) {
      references.add(`secret/${secret.name}`);
    }
    if (configMap !== undefined) {
      references.add(`configmap/${configMap.name}`);
    }
  }
  return references;
}

/**
 * What a kubelet puts into a volume.
 *
 * @returns undefined for a volume that is an empty folder.
 * @throws ContainerConfigError in the kubelet's words when an object or key is missing, or the kind is not supported.
 */
export async function volumeFiles(
  volume: Volume,
  pod: Pod,
  reader: EntryReader,
  client: KubernetesClient,
): Promise<VolumeFiles | undefined> {
  if (volume.emptyDir !== undefined) {
    return undefined;
  }
  if (volume.configMap !== undefined) {
    const { name, items, optional } = volume.configMap;
    return select(await reader.entries("configmap", name, optional), items, `configmap "${name}"`);
  }
  if (volume.secret !== undefined) {
    const { secretName, items, optional } = volume.secret;
    return select(await reader.entries("secret", secretName, optional), items, `secret "${secretName}"`);
  }
  if (volume.downwardAPI !== undefined) {
    return downward(pod, volume.downwardAPI.items);
  }
  if (volume.projected !== undefined) {
    const files: VolumeFiles = new Map();
    for (const source of volume.projected.sources ?? []) {
      for (const [path, content] of await projected(source, pod, reader, client)) {
        files.set(path, content);
      }
    }
    return files;
  }
  throw new ContainerConfigError(`volume ${volume.name}: this stand-in has no such kind of volume`);
}

async function projected(
  source: ProjectedSource,
  pod: Pod,
  reader: EntryReader,
  client: KubernetesClient,
): Promise<VolumeFiles> {
  if (source.serviceAccountToken !== undefined) {
    const { path, audience, expirationSeconds } = source.serviceAccountToken;
    return new Map([[path, Buffer.from(await requestToken(client, pod, audience, expirationSeconds))]]);
  }
  if (source.configMap !== undefined) {
    const { name, items, optional } = source.configMap;
    return select(await reader.entries("configmap", name, optional), items, `configmap "${name}"`);
  }
  if (source.secret !== undefined) {
    const { name, items, optional } = source.secret;
    return select(await reader.entries("secret", name, optional), items, `secret "${name}"`);
  }
  return downward(pod, source.downwardAPI?.items);
}

/** A token of the pod's own service account, bound to the pod: it ends with it. */
async function requestToken(
  client: KubernetesClient,
  pod: Pod,
  audience: string | undefined,
  expirationSeconds = 3600,
): Promise<string> {
  const { namespace, name, uid } = pod.metadata;
  const account = pod.spec.serviceAccountName ?? "default";
  const answer = await client.request<{ status: { token: string } }>(
    "POST",
    `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    {
      body: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: {
          audiences: audience === undefined ? [] : [audience],
          expirationSeconds,
          boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid },
        },
      },
    },
  );
  return answer.status.token;
}

function downward(pod: Pod, items: readonly DownwardItem[] = []): VolumeFiles {
  return new Map(items.map(({ path, fieldRef }) => [path, Buffer.from(podField(pod, fieldRef?.fieldPath ?? ""))]));
}

function select(entries: Entries | undefined, items: readonly KeyToPath[] | undefined, what: string): VolumeFiles {
  if (entries === undefined) {
    return new Map();
  }
  if (items === undefined) {
    return new Map(entries);
  }
  return new Map(
    items.map(({ key, path }) => {
      const content = entries.get(key);
      if (content === undefined) {
        throw new ContainerConfigError(`${what} references non-existent key: ${key}`);
      }
      return [path, content];
    }),
  );
}
