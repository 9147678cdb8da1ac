import type { OperationResult } from "./pulumi/operation";

/** Everything that was not as it must be; the run goes on, so that one run shows all of it. */
export class Failures {
  readonly texts: string[] = [];

  constructor(private readonly print: (line: string) => void) {}

  /** Notes a failure unless `ok`. */
  check(ok: boolean, text: string): void {
    if (!ok) {
      this.texts.push(text);
      this.print(`FAILED: ${text}`);
    }
  }

  /** Notes a failure unless two values, written as JSON, are the same. */
  equal(actual: unknown, expected: unknown, what: string): void {
    const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
    this.check(got === wanted, `${what}: expected ${wanted}, got ${got}`);
  }

  /** Notes a failure unless a pulumi command ended well; what it printed says why. */
  succeeded(result: OperationResult, what: string): void {
    const errors = result.diagnostics
      .filter(({ severity }) => severity === "error")
      .map(({ message }) => message.trim());
    this.check(result.ok, `${what} ended with exit code ${result.exitCode}: ${errors.join(" | ") || result.stderr}`);
  }
}
