import type { Failures } from "./failures";
import type { OperationResult } from "./pulumi/operation";

/** Resources that an operation did something to, without those it left as they were; components and the stack apart. */
export function touched(result: OperationResult): string[] {
  return result.resources
    .filter(({ op, type }) => op !== "same" && op !== "read" && op !== "refresh" && !isLogical(type))
    .map(({ op, type }) => `${op} ${type}`)
    .sort();
}

/** Components and the stack have no object behind them: the engine counts them when their arguments change. */
function isLogical(type: string): boolean {
  return type.startsWith("buildkite-scale-to-zero:") || type === "pulumi:pulumi:Stack";
}

/** Notes a failure unless the operation went well and changed nothing. */
export function changedNothing(result: OperationResult, what: string, failures: Failures): void {
  failures.succeeded(result, what);
  failures.equal(touched(result), [], what);
}
