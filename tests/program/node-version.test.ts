import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const GUARD = join(__dirname, "..", "..", "stack", "node-version.ts");

function underNode(version: string) {
  const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`;
  return spawnSync(process.execPath, ["--import", "tsx", "-e", `${pretend} require(${JSON.stringify(GUARD)});`], {
    encoding: "utf8",
  });
}

describe("the guard against an old Node", () => {
  it("prints one line with what was found, what is needed and how to get it, and throws nothing", () => {
    const { status, stderr, stdout } = underNode("20.20.2");
    assert.equal(status, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^buildkite-scale-to-zero needs Node 24 or newer, found 20\.20\.2\. .*PATH=.*\n$/);
  });

  it("says nothing on Node 24 and newer", () => {
    for (const version of ["24.0.0", "26.1.0"]) {
      const { status, stderr, stdout } = underNode(version);
      assert.deepEqual([status, stderr, stdout], [0, "", ""]);
    }
  });

  it("is what index.ts imports first", async () => {
    const { readFile } = await import("node:fs/promises");
    const text = await readFile(join(__dirname, "..", "..", "index.ts"), "utf8");
    assert.equal(text.split("\n")[0], 'import "./stack/node-version";');
  });
});
