import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const ROOT = join(__dirname, "..", "..");

/** Runs a tool of node_modules with this Node; its output is the failure's text. */
function passes(script: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "node_modules", script), ...args], {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

describe("the sources", function () {
  this.timeout(300_000);

  it("type-check", () => {
    passes("typescript/bin/tsc", "--noEmit");
  });

  it("have nothing that the linter objects to", () => {
    passes("eslint/bin/eslint.js", ".", "--max-warnings=0");
  });

  it("are formatted", () => {
    passes("prettier/bin/prettier.cjs", "--check", "--log-level=warn", ".");
  });
});
