import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";

/** Why a container cannot be made; the kubelet's words, as a person reads them in the pod's status. */
export class ContainerConfigError extends Error {}

/** A ConfigMap's or Secret's content. */
export type Entries = ReadonlyMap<string, Buffer>;

interface KeyedObject {
  readonly data?: Readonly<Record<string, string>> | null;
  readonly binaryData?: Readonly<Record<string, string>> | null;
}

/** Gives the content of ConfigMaps and Secrets. */
export interface EntryReader {
  /**
   * All entries.
   *
   * @returns undefined when there is no such object and it is optional.
   * @throws ContainerConfigError when there is none and it is not.
   */
  entries(kind: "secret" | "configmap", name: string, optional?: boolean): Promise<Entries | undefined>;
}

/** Reads ConfigMaps and Secrets live; one reader serves one container, so that each object is read once. */
export class ObjectReader implements EntryReader {
  private readonly known = new Map<string, Promise<Entries | undefined>>();

  constructor(
    private readonly client: KubernetesClient,
    private readonly namespace: string,
    private readonly signal: AbortSignal,
  ) {}

  /** See {@link EntryReader.entries}. */
  async entries(kind: "secret" | "configmap", name: string, optional = false): Promise<Entries | undefined> {
    const key = `${kind}/${name}`;
    const reading = this.known.get(key) ?? this.read(kind, name);
    this.known.set(key, reading);
    const entries = await reading;
    if (entries === undefined && !optional) {
      throw new ContainerConfigError(`${kind} "${name}" not found`);
    }
    return entries;
  }

  private async read(kind: "secret" | "configmap", name: string): Promise<Entries | undefined> {
    const path = `/api/v1/namespaces/${this.namespace}/${kind}s/${name}`;
    try {
      const object = await this.client.request<KeyedObject>("GET", path, { signal: this.signal });
      return entriesOf(kind, object);
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }
}

function entriesOf(kind: "secret" | "configmap", object: KeyedObject): Entries {
  const entries = new Map<string, Buffer>();
  for (const [key, text] of Object.entries(object.data ?? {})) {
    entries.set(key, Buffer.from(text, kind === "secret" ? "base64" : "utf8"));
  }
  for (const [key, text] of Object.entries(object.binaryData ?? {})) {
    entries.set(key, Buffer.from(text, "base64"));
  }
  return entries;
}
