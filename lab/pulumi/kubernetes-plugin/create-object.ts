import { setTimeout as delay } from "node:timers/promises";
import { KubernetesError } from "../../../dispatcher/kubernetes/client";
import { NoMatchError, type Cluster } from "./cluster";
import { annotation, idOf, type KubernetesObject } from "./kubernetes-object";
import type { Wait } from "./waiting";

/** How often a create is tried again when its namespace is not there yet. */
const RETRIES = 5;

/** An object of that name is there, and Pulumi did not create it. */
export class AlreadyExistsError extends Error {
  constructor(id: string) {
    super(`${JSON.stringify(id)} already exists`);
    this.name = "AlreadyExistsError";
  }
}

/**
 * Creates what is not there yet, or tries it out. By server-side apply, so that a later update of the same field manager
 * can take fields away again; what exists is refused first. A namespace may be a moment late: asked again a few times,
 * as the provider does.
 */
export async function createObject(
  object: KubernetesObject,
  cluster: Cluster,
  options: { fieldManager: string; dryRun: boolean } & Pick<Wait, "urn" | "log" | "signal">,
): Promise<KubernetesObject> {
  const { fieldManager, dryRun, urn, log, signal } = options;
  if ((await cluster.get(object)) !== undefined) {
    throw new AlreadyExistsError(idOf(object));
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await cluster.apply(object, { fieldManager, force: isForced(object, dryRun), dryRun });
    } catch (error) {
      const late = error instanceof KubernetesError && error.status === 404;
      if (dryRun || !late || attempt > RETRIES) {
        throw error;
      }
      log.status(urn, `Retry #${attempt}; creation failed: ${messageOf(error)}`);
      await delay(200 * 2 ** attempt, undefined, { signal });
    }
  }
}

/** A dry run is forced: a conflict there may be one that the replacement of something else is about to remove. */
export function isForced(object: KubernetesObject, dryRun: boolean): boolean {
  return dryRun || annotation(object, "pulumi.com/patchForce") === "true";
}

/** What a preview cannot know better: the namespace is yet to come, we may not ask, a predecessor is still there. */
export function isSwallowed(error: unknown): boolean {
  return (
    error instanceof AlreadyExistsError ||
    error instanceof NoMatchError ||
    (error instanceof KubernetesError && [403, 404].includes(error.status)) ||
    (error instanceof KubernetesError && error.reason === "AlreadyExists")
  );
}

/** The API server's own words where it was the API server that refused. */
export function messageOf(error: unknown): string {
  if (error instanceof KubernetesError) {
    return error.body?.message ?? error.message;
  }
  return error instanceof Error ? error.message : String(error);
}

/** What a person reads when somebody else has changed the same field since. */
export function conflictOr(error: unknown, fieldManager: string): string {
  const message = messageOf(error);
  return error instanceof KubernetesError && error.status === 409
    ? `Server-Side Apply field conflict detected. The resource managed by field manager ${JSON.stringify(fieldManager)} ` +
        `had an apply conflict: ${message}`
    : message;
}
