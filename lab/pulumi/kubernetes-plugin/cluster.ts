import { KubernetesClient, KubernetesError, type RequestOptions } from "../../../dispatcher/kubernetes/client";
import { activeContext, connectionOf } from "./kubeconfig";
import { stringAt, type KubernetesObject } from "./kubernetes-object";

/** What the API server calls a kind. */
export interface RestMapping {
  /** For example `/apis/apps/v1`. */
  base: string;
  /** For example `deployments`. */
  resource: string;
  namespaced: boolean;
}

/** The API server does not know the kind. */
export class NoMatchError extends Error {
  constructor(apiVersion: string, kind: string) {
    super(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`);
    this.name = "NoMatchError";
  }
}

/** The cluster that a provider is configured for. */
export class Cluster {
  /** Where objects without a namespace go. */
  readonly defaultNamespace: string | undefined;
  /** Why nothing can be asked, or `undefined`. */
  unreachable: string | undefined;
  readonly #client: KubernetesClient | undefined;
  readonly #signal: AbortSignal;
  readonly #lists = new Map<string, Promise<Map<string, RestMapping>>>();

  constructor(
    config: { kubeconfig: string; context?: string; cluster?: string; namespace?: string },
    signal: AbortSignal,
  ) {
    this.#signal = signal;
    try {
      const active = activeContext(config.kubeconfig, config);
      this.defaultNamespace = config.namespace ?? active.namespace;
      this.#client = new KubernetesClient(connectionOf(active), { userAgent: "buildkite-scale-to-zero-lab" });
    } catch (error) {
      this.defaultNamespace = config.namespace;
      const reason = error instanceof Error ? error.message : String(error);
      this.unreachable = `unable to load Kubernetes client configuration from kubeconfig file: ${reason}`;
    }
  }

  /** Asks once whether anybody is there. */
  async connect(): Promise<void> {
    if (this.unreachable !== undefined) {
      return;
    }
    try {
      await this.request("GET", "/version", { timeoutMs: 10_000 });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.unreachable = `unable to load schema information from the API server: ${reason}`;
    }
  }

  request<T = KubernetesObject>(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    options: RequestOptions = {},
  ): Promise<T> {
    if (this.#client === undefined) {
      throw new Error(`configured Kubernetes cluster is unreachable: ${this.unreachable ?? ""}`);
    }
    return this.#client.request<T>(method, path, { signal: this.#signal, ...options });
  }

  /** @throws NoMatchError */
  async mapping(object: KubernetesObject): Promise<RestMapping> {
    const [apiVersion, kind] = [stringAt(object, "apiVersion") ?? "", stringAt(object, "kind") ?? ""];
    let list = this.#lists.get(apiVersion);
    if (list === undefined) {
      list = this.#discover(apiVersion);
      this.#lists.set(apiVersion, list);
    }
    const found = (await list).get(kind);
    if (found === undefined) {
      throw new NoMatchError(apiVersion, kind);
    }
    return found;
  }

  /** The path of an object, by its apiVersion, kind, namespace and name. */
  async path(object: KubernetesObject): Promise<string> {
    const { base, resource, namespaced } = await this.mapping(object);
    const name = encodeURIComponent(stringAt(object, "metadata", "name") ?? "");
    const namespace = stringAt(object, "metadata", "namespace") ?? "default";
    return namespaced
      ? `${base}/namespaces/${encodeURIComponent(namespace)}/${resource}/${name}`
      : `${base}/${resource}/${name}`;
  }

  /** The live object, or `undefined` when there is none. */
  async get(object: KubernetesObject, signal?: AbortSignal): Promise<KubernetesObject | undefined> {
    try {
      return await this.request("GET", await this.path(object), signal === undefined ? {} : { signal });
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }

  /** Server-side apply. It refuses unknown fields by itself; `Strict` adds what it would only warn about. */
  async apply(
    object: KubernetesObject,
    options: { fieldManager: string; force: boolean; dryRun: boolean },
  ): Promise<KubernetesObject> {
    return this.request("PATCH", await this.path(object), {
      body: object,
      contentType: "application/apply-patch+yaml",
      query: {
        fieldManager: options.fieldManager,
        fieldValidation: "Strict",
        force: options.force,
        dryRun: options.dryRun ? "All" : undefined,
      },
    });
  }

  async #discover(apiVersion: string): Promise<Map<string, RestMapping>> {
    const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    try {
      const list = await this.request<{ resources: { name: string; kind: string; namespaced: boolean }[] }>(
        "GET",
        base,
      );
      return new Map(
        list.resources
          .filter(({ name }) => !name.includes("/"))
          .map(({ name, kind, namespaced }) => [kind, { base, resource: name, namespaced }]),
      );
    } catch (error) {
      this.#lists.delete(apiVersion);
      if (error instanceof KubernetesError && error.status === 404) {
        return new Map();
      }
      throw error;
    }
  }
}
