import { createHash } from "node:crypto";
import { compare, touches } from "../pulumi/provider-protocol/detailed-diff";
import { hexDigits } from "../pulumi/provider-protocol/generated-name";
import {
  isUnknown,
  plain,
  plainProperties,
  textOf,
  UNKNOWN,
  type Properties,
} from "../pulumi/provider-protocol/property-values";
import type {
  CheckRequest,
  CheckResult,
  CreateRequest,
  DeleteRequest,
  DiffRequest,
  ReadRequest,
  UpdateRequest,
} from "../pulumi/provider-protocol/provider";
import { clusterId, clusterLookup, engineVersions, type GkeCluster } from "./cluster";
import { InputReader } from "./input-reader";
import { globalAddress, managedSslCertificate } from "./load-balancing";
import { nodePool } from "./node-pool";
import type { GcpContext, GcpResourceType } from "./resource-type";
import { projectIamMember, serviceAccount } from "./service-account";

const TYPES: ReadonlyMap<string, GcpResourceType> = new Map(
  [nodePool, serviceAccount, projectIamMember, globalAddress, managedSslCertificate].map((type) => [type.token, type]),
);

/** A resource as it exists at Google. */
export interface StoredResource {
  id: string;
  type: string;
  /** As the provider got them, secret markers included. */
  inputs: Properties;
}

/** A diff as plain JSON: paths to what happened there. */
export interface WireDiff {
  differences: [string, { kind: "add" | "delete" | "update"; keys: readonly (string | number)[] }][];
  replaces: string[];
  deleteBeforeReplace: boolean;
}

/** The provider's own configuration (`gcp:project`, `gcp:region`, `gcp:zone`). */
export type ProviderConfig = Properties;

/**
 * Google's side of the program: which resources exist, and what the provider's schema and Google's APIs say to a call.
 * No wire, no process: `FakeGcp` puts it behind HTTP.
 */
export class GcpProject {
  readonly resources = new Map<string, StoredResource>();
  readonly clusters = new Map<string, GkeCluster>();
  /** Called before a resource is taken away; the deletion waits for it. */
  beforeDelete?: (resource: StoredResource, signal: AbortSignal) => Promise<void>;

  check(request: CheckRequest): CheckResult {
    const type = typeOf(request.type);
    const inputs = { ...request.news };
    const generated = type.generatedName;
    // Unset, or unset last time too: the bridge of real providers remembers a generated name in __defaults.
    if (generated !== undefined && (inputs[generated] ?? undefined) === undefined) {
      const adopted = wasGenerated(request.olds, generated) ? request.olds[generated] : undefined;
      inputs[generated] = adopted ?? `${request.name}-${hexDigits(request.randomSeed, 7)}`;
      inputs["__defaults"] = [generated];
    } else {
      inputs["__defaults"] = [];
    }
    const reader = new InputReader(plainProperties(inputs));
    type.check(reader);
    return { inputs, failures: reader.failures };
  }

  diff(request: DiffRequest): WireDiff {
    const type = typeOf(request.type);
    const differences = compare(request.oldInputs, request.news);
    const replaces = [...differences]
      .filter(([, difference]) => touches(difference, type.forceNew))
      .map(([path]) => path);
    const name = type.generatedName;
    const keepsName =
      name !== undefined &&
      !wasGenerated(request.news, name) &&
      plain(request.news[name] ?? null) === plain(request.oldInputs[name] ?? null);
    return {
      differences: [...differences],
      replaces,
      // A name that the program fixed can only be taken again once its holder is gone.
      deleteBeforeReplace: replaces.length > 0 && (keepsName || name === undefined),
    };
  }

  create(request: CreateRequest, config: ProviderConfig): { id: string; state: Properties } {
    const type = typeOf(request.type);
    if (request.preview) {
      const unknown = Object.fromEntries(type.computed.map((key) => [key, UNKNOWN]));
      return { id: "", state: { ...unknown, ...withoutDefaults(request.inputs) } };
    }
    const inputs = plainProperties(request.inputs);
    const context = this.#context(inputs, config);
    type.beforeCreate?.(inputs, context);
    const id = type.id(inputs, context);
    // A binding is a fact, not an object: granting it twice is no conflict.
    if (this.resources.has(id) && type !== projectIamMember) {
      throw new Error(`error creating ${request.name}: googleapi: Error 409: Already exists: ${id}, alreadyExists`);
    }
    this.resources.set(id, { id, type: request.type, inputs: request.inputs });
    return { id, state: this.#state(type, id, request.inputs, config) };
  }

  read(request: ReadRequest, config: ProviderConfig) {
    const type = typeOf(request.type);
    const found = this.resources.get(request.id);
    return found === undefined
      ? undefined
      : { id: found.id, inputs: found.inputs, state: this.#state(type, found.id, found.inputs, config) };
  }

  update(request: UpdateRequest, config: ProviderConfig): { state: Properties } {
    const type = typeOf(request.type);
    if (request.preview) {
      return { state: { ...request.oldState, ...withoutDefaults(request.news) } };
    }
    const found = this.resources.get(request.id);
    if (found === undefined) {
      throw new Error(`error updating ${request.name}: googleapi: Error 404: Not found: ${request.id}., notFound`);
    }
    found.inputs = request.news;
    return { state: this.#state(type, found.id, found.inputs, config) };
  }

  async delete(request: DeleteRequest, signal: AbortSignal): Promise<void> {
    typeOf(request.type);
    const found = this.resources.get(request.id);
    if (found !== undefined) {
      await this.beforeDelete?.(found, signal);
      signal.throwIfAborted();
      this.resources.delete(request.id);
    }
  }

  invoke(token: string, args: Properties, config: ProviderConfig): Properties {
    const context = this.#context(args, config);
    switch (token) {
      case "gcp:container/getCluster:getCluster": {
        if (context.location === undefined) {
          throw new Error(invokeError(token, "location: required field is not set"));
        }
        const id = clusterId({ project: context.project, location: context.location, name: textOf(args["name"]) });
        const cluster = this.clusters.get(id);
        if (cluster === undefined) {
          // The text of the data source (terraform-provider-google, data_source_google_container_cluster.go), in the
          // wrapping of Pulumi's bridge as we remember it: the wrapping was not seen in a run.
          throw new Error(invokeError(token, `${id} not found`));
        }
        return clusterLookup(cluster);
      }
      case "gcp:organizations/getClientConfig:getClientConfig": {
        const accessToken = `ya29.lab-${createHash("sha256").update(context.project).digest("hex").slice(0, 32)}`;
        const [region, zone] = [textOf(config["region"]), textOf(config["zone"])];
        const id = `projects/"${context.project}"/regions/"${region}"/zones/"${zone}"`;
        return { id, project: context.project, region, zone, accessToken, defaultLabels: {} };
      }
      case "gcp:container/getEngineVersions:getEngineVersions": {
        const prefix = typeof args["versionPrefix"] === "string" ? args["versionPrefix"] : undefined;
        return engineVersions(context.project, context.location ?? "", prefix);
      }
      default:
        throw new Error(`the gcp double does not model the function ${token}: add it to lab/gcp`);
    }
  }

  #state(type: GcpResourceType, id: string, inputs: Properties, config: ProviderConfig): Properties {
    const known = plainProperties(inputs);
    return { ...type.outputs(known, id, this.#context(known, config)), ...withoutDefaults(inputs) };
  }

  #context(inputs: Properties, config: ProviderConfig): GcpContext {
    const project = inputs["project"] ?? config["project"];
    if (typeof project !== "string" || isUnknown(project)) {
      throw new Error("project: required field is not set");
    }
    const location = inputs["location"] ?? config["zone"] ?? config["region"];
    return {
      project,
      location: typeof location === "string" ? location : undefined,
      requireCluster: (...[ofProject, at, name]) => {
        const id = clusterId({ project: ofProject, location: at, name });
        if (!this.clusters.has(id)) {
          throw new Error(`error creating NodePool: googleapi: Error 404: Not found: ${id}., notFound`);
        }
      },
    };
  }
}

function typeOf(token: string): GcpResourceType {
  const type = TYPES.get(token);
  if (type === undefined) {
    throw new Error(`the gcp double does not model resources of type ${token}: add it to lab/gcp`);
  }
  return type;
}

function wasGenerated(inputs: Properties, property: string): boolean {
  const defaults = inputs["__defaults"];
  return Array.isArray(defaults) && defaults.includes(property);
}

/** The bridge keeps its notes in the inputs only. */
function withoutDefaults(inputs: Properties): Properties {
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => key !== "__defaults"));
}

function invokeError(token: string, message: string): string {
  return `invoking ${token}: 1 error occurred:\n\t* ${message}\n\n`;
}
