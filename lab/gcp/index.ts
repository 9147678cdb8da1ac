import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { plainProperties, textOf, type Properties } from "../pulumi/provider-protocol/property-values";
import type {
  CheckRequest,
  CreateRequest,
  DeleteRequest,
  DiffRequest,
  ReadRequest,
  UpdateRequest,
} from "../pulumi/provider-protocol/provider";
import { clusterId, type GkeCluster } from "./cluster";
import { clusterOf, nodePool } from "./node-pool";
import { GcpProject, type ProviderConfig, type StoredResource } from "./project";

export type { GkeCluster } from "./cluster";

/** A node pool that `pulumi up` declared. */
export interface NodePoolState {
  /** `projects/<p>/locations/<l>/clusters/<c>/nodePools/<name>`. */
  id: string;
  name: string;
  cluster: string;
  location: string;
  /** As the provider got them: `autoscaling`, `nodeConfig {machineType, labels, taints, spot, ...}`, ... */
  inputs: Properties;
}

/** What the gcp plugin double asks for. */
export type GcpCall =
  | { method: "check"; request: Omit<CheckRequest, "randomSeed"> & { randomSeed: string } }
  | { method: "diff"; request: DiffRequest }
  | { method: "create"; request: CreateRequest }
  | { method: "read"; request: ReadRequest }
  | { method: "update"; request: UpdateRequest }
  | { method: "delete"; request: DeleteRequest }
  | { method: "invoke"; request: { token: string; args: Properties } };

/**
 * A stand-in for Google Cloud and the gcp provider's knowledge of it, served to the plugin double over loopback HTTP so
 * that it outlives each `pulumi` command.
 *
 * Models: node pools, service accounts, project IAM members, global addresses, managed certificates; the look-ups
 * getCluster, getClientConfig and getEngineVersions; the rules, generated names and forced replacements written in the
 * files beside this one. Anything else is refused by name.
 *
 * Does not prove: that GKE accepts the pool (quotas, machine types per zone, permissions, enabled APIs), how long
 * anything takes there, provider defaults, or the texts of Google's errors.
 */
export class FakeGcp {
  readonly #project = new GcpProject();
  readonly #listeners = new Set<() => void>();
  readonly #server: Server;
  readonly #stopping = new AbortController();
  #url = "";

  /** Called when a pool is being deleted, and awaited: GKE drains its nodes first. */
  onDeleteNodePool?: (pool: NodePoolState, signal: AbortSignal) => Promise<void>;

  constructor() {
    this.#project.beforeDelete = async (resource, signal) => {
      if (resource.type === nodePool.token) {
        await this.onDeleteNodePool?.(poolState(resource), signal);
      }
    };
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Where the plugin double finds it (environment variable `LAB_GCP_URL`). */
  get url(): string {
    return this.#url;
  }

  /** Declares a cluster that look-ups find and node pools can be created in; one of the same id is replaced. */
  addCluster(cluster: GkeCluster): void {
    this.#project.clusters.set(clusterId(cluster), cluster);
  }

  nodePools(): NodePoolState[] {
    return this.#ofType(nodePool.token).map(poolState);
  }

  /** Everything that exists, by id. After a destroy there must be nothing. */
  resourceIds(): string[] {
    return [...this.#project.resources.keys()].sort();
  }

  /** Changes a pool behind Pulumi's back, as somebody in the console would. */
  editNodePool(id: string, edit: (inputs: Properties) => Properties): void {
    const pool = this.#project.resources.get(id);
    if (pool === undefined) {
      throw new Error(`there is no node pool ${id}`);
    }
    pool.inputs = edit(pool.inputs);
    this.#changed();
  }

  /** Deletes a resource behind Pulumi's back. */
  forget(id: string): void {
    this.#project.resources.delete(id);
    this.#changed();
  }

  /** @returns a function that ends the subscription. */
  onNodePools(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the lab's Google is stopping"));
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #ofType(token: string): StoredResource[] {
    return [...this.#project.resources.values()].filter(({ type }) => type === token);
  }

  #changed(): void {
    for (const listener of this.#listeners) {
      listener();
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => {
      gone.abort(new Error("the caller has gone"));
    });
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) {
        chunks.push(chunk as Buffer);
      }
      const { config, ...call } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as GcpCall & {
        config: ProviderConfig;
      };
      const result = await this.#answer(call, config, AbortSignal.any([gone.signal, this.#stopping.signal]));
      response.end(JSON.stringify({ result }));
    } catch (error) {
      response.statusCode = 400;
      response.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
    }
  }

  async #answer(call: GcpCall, config: ProviderConfig, signal: AbortSignal): Promise<unknown> {
    switch (call.method) {
      case "check":
        return this.#project.check({ ...call.request, randomSeed: Buffer.from(call.request.randomSeed, "hex") });
      case "diff":
        return this.#project.diff(call.request);
      case "read":
        return this.#project.read(call.request, config) ?? null;
      case "invoke":
        return this.#project.invoke(call.request.token, call.request.args, config);
      case "create":
        return this.#afterChange(call.request.preview, this.#project.create(call.request, config));
      case "update":
        return this.#afterChange(call.request.preview, this.#project.update(call.request, config));
      case "delete":
        await this.#project.delete(call.request, signal);
        return this.#afterChange(false, {});
    }
  }

  #afterChange<T>(preview: boolean, result: T): T {
    if (!preview) {
      this.#changed();
    }
    return result;
  }
}

function poolState({ id, inputs }: StoredResource): NodePoolState {
  const known = plainProperties(inputs);
  const [, , , location = "", , cluster = ""] = id.split("/");
  const context = { project: "", location, requireCluster: () => undefined };
  return {
    id,
    name: textOf(known["name"]),
    cluster: clusterOf({ ...known, cluster }, context).cluster,
    location,
    inputs: known,
  };
}
