import type { EngineEvent } from "./engine-events";

/** What happened to one resource. */
export interface ResourceOperation {
  urn: string;
  type: string;
  /** `same`, `create`, `update`, `replace`, `delete`, `create-replacement`, `delete-replaced`, `refresh`, ... */
  op: string;
  /** Property paths that differ. */
  diffs?: string[];
}

export interface Diagnostic {
  severity: string;
  urn?: string;
  message: string;
}

/** How one `pulumi` command ended. */
export interface OperationResult {
  ok: boolean;
  exitCode: number;
  /** Resources by what happened to them, as the engine counts: create, update, replace, delete, same. */
  changes: Record<string, number>;
  /** In the order in which the engine finished them; the stack, components and providers included. */
  resources: ResourceOperation[];
  /** Errors, warnings and messages; those that only replaced each other on the screen are left out. */
  diagnostics: Diagnostic[];
  seconds: number;
  stdout: string;
  stderr: string;
}

/** Reads what happened from the engine's events. */
export function summarize(
  events: readonly EngineEvent[],
): Pick<OperationResult, "changes" | "resources" | "diagnostics"> {
  const resources = new Map<string, ResourceOperation>();
  const diagnostics: Diagnostic[] = [];
  let changes: Record<string, number> = {};
  for (const event of events) {
    const metadata = (event.resOutputsEvent ?? event.resourcePreEvent ?? event.resOpFailedEvent)?.metadata;
    if (metadata !== undefined) {
      const { urn, type, op } = metadata;
      // A replacement is told in three steps on one URN; each counts once.
      const key = ["create-replacement", "delete-replaced", "replace"].includes(op) ? `${op} ${urn}` : urn;
      const diffs = Object.keys(metadata.detailedDiff ?? {});
      const paths = diffs.length > 0 ? diffs : (metadata.diffs ?? []);
      resources.delete(key);
      resources.set(key, { urn, type, op, ...(paths.length > 0 ? { diffs: paths.sort() } : {}) });
    }
    if (event.summaryEvent !== undefined) {
      changes = event.summaryEvent.resourceChanges;
    }
    if (event.diagnosticEvent !== undefined && event.diagnosticEvent.ephemeral !== true) {
      const { severity, urn, message } = event.diagnosticEvent;
      diagnostics.push({
        severity,
        message: message.replace(/<\{%[^%]*%\}>/g, ""),
        ...(urn === undefined || urn === "" ? {} : { urn }),
      });
    }
  }
  return { changes, resources: [...resources.values()], diagnostics };
}
