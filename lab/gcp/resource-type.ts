import type { Properties } from "../pulumi/provider-protocol/property-values";
import type { InputReader } from "./input-reader";

/** What a type's rules may know about the rest of the project. */
export interface GcpContext {
  /** Project of the resource: its own, else the provider's. */
  project: string;
  location: string | undefined;
  /** Throws the API's error when there is no such cluster. */
  requireCluster(project: string, location: string, name: string): void;
}

/** The rules of one resource type. */
export interface GcpResourceType {
  readonly token: string;
  /** The property that gets the resource's name and seven hex digits where the program leaves it out. */
  readonly generatedName?: string;
  /** Input properties whose change needs a new resource; `a.b` for nested ones, array positions left out. */
  readonly forceNew: readonly string[];
  /** Outputs that are unknown until the resource exists. */
  readonly computed: readonly string[];
  check(inputs: InputReader): void;
  /** The resource's id, which is its address at Google too: two resources of one id cannot exist. */
  id(inputs: Properties, context: GcpContext): string;
  /** What Google adds. Must be a function of its arguments alone, so that a read finds what the create returned. */
  outputs(inputs: Properties, id: string, context: GcpContext): Properties;
  /** What the API refuses only when it is asked to do it. */
  beforeCreate?(inputs: Properties, context: GcpContext): void;
}
