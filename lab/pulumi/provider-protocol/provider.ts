import type { DetailedDiff } from "./detailed-diff";
import type { Properties } from "./property-values";

/** Which resource a call is about. */
export interface ResourceAddress {
  urn: string;
  /** Type token, for example `gcp:container/nodePool:NodePool`. */
  type: string;
  /** Logical name in the program. */
  name: string;
}

export interface CheckRequest extends ResourceAddress {
  /** The inputs of the last update; empty when there was none, or when the resource is being replaced. */
  olds: Properties;
  news: Properties;
  /** Seed for generated names; may be empty. */
  randomSeed: Uint8Array;
}

export interface CheckResult {
  inputs: Properties;
  failures: { property: string; reason: string }[];
}

export interface DiffRequest extends ResourceAddress {
  id: string;
  oldInputs: Properties;
  oldState: Properties;
  news: Properties;
  ignoreChanges: string[];
}

export interface DiffResult {
  differences: DetailedDiff;
  /** Paths (keys of `differences`) that cannot be changed in place. */
  replaces: string[];
  deleteBeforeReplace: boolean;
}

export interface CreateRequest extends ResourceAddress {
  inputs: Properties;
  /** Seconds; 0 when the program sets none. */
  timeoutSeconds: number;
  preview: boolean;
}

export interface ReadRequest extends ResourceAddress {
  id: string;
  inputs: Properties;
  state: Properties;
}

export interface UpdateRequest extends ResourceAddress {
  id: string;
  oldInputs: Properties;
  oldState: Properties;
  news: Properties;
  timeoutSeconds: number;
  preview: boolean;
}

export interface DeleteRequest extends ResourceAddress {
  id: string;
  oldInputs: Properties;
  state: Properties;
  timeoutSeconds: number;
}

/**
 * A resource provider, without the wire: what a plugin double implements. Values arrive and leave with their secret
 * markers, unknowns as `UNKNOWN`.
 */
export interface ResourceProvider {
  readonly name: string;
  readonly version: string;
  checkConfig(request: CheckRequest): Promise<CheckResult>;
  diffConfig(request: DiffRequest): Promise<DiffResult>;
  /** Not called when part of the configuration is unknown: then nothing below is called either. */
  configure(config: Properties): Promise<void>;
  invoke(token: string, args: Properties): Promise<Properties>;
  check(request: CheckRequest): Promise<CheckResult>;
  diff(request: DiffRequest): Promise<DiffResult>;
  create(request: CreateRequest): Promise<{ id: string; state: Properties }>;
  /** `undefined`: the resource is gone. */
  read(request: ReadRequest): Promise<{ id: string; state: Properties; inputs: Properties } | undefined>;
  update(request: UpdateRequest): Promise<{ state: Properties }>;
  delete(request: DeleteRequest): Promise<void>;
  /** Gives up what is under way. */
  cancel(): void;
}

/** The resource exists but did not get ready: the engine keeps it in the state and reports the reasons. */
export class InitializationError extends Error {
  constructor(
    readonly id: string,
    readonly reasons: string[],
    readonly state: Properties,
    readonly inputs?: Properties,
  ) {
    super(reasons.join("\n"));
    this.name = "InitializationError";
  }
}
