import type { Fields } from "./fields";

/** A resource as a rule sees it: its inputs, before anything is created or changed. */
export interface ReviewedResource {
  /** Pulumi's type token, such as `kubernetes:core/v1:PodTemplate`. */
  readonly type: string;
  readonly urn: string;
  /** Logical name. */
  readonly name: string;
  /** Inputs. Secrets are in clear here: a rule names fields, never their values. */
  readonly props: Fields;
}

/** One rule of the pack. Pure, for the tests. */
export interface Rule {
  /** The name that a policy's configuration knows it by. */
  readonly name: string;
  /** One sentence: what must hold. */
  readonly description: string;
  readonly severity: "medium" | "high" | "critical";
  /** Every fault of the resource: what is wrong, the failure it led to, the fix. */
  readonly faultsOf: (resource: ReviewedResource) => string[];
}

/** How messages name a resource: `PodTemplate docker`. */
export function titleOf({ type, name }: ReviewedResource): string {
  return `${type.split(":").pop() ?? type} ${name}`;
}
