import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDispatcherBundle, type DispatcherBundle } from "../../dispatcher/bundle";

const ROOT = join(__dirname, "..", "..");
const LIMIT_BYTES = 256 * 1024;

describe("the dispatcher's bundle", () => {
  let folder: string;
  let bundle: DispatcherBundle;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "buildkite-bundle-"));
    bundle = buildDispatcherBundle();
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("is small enough for a ConfigMap, and plain text", () => {
    assert.ok(bundle.bytes <= LIMIT_BYTES, `${bundle.bytes} bytes`);
    assert.equal(bundle.bytes, Buffer.byteLength(bundle.code));
    assert.equal(createHash("sha256").update(bundle.code).digest("hex"), bundle.sha256);
  });

  it("holds no path of this machine, no source map and no other package's list", () => {
    for (const trace of [ROOT, tmpdir(), "node_modules", "sourceMappingURL", "devDependencies"]) {
      assert.ok(!bundle.code.includes(trace), trace);
    }
  });

  it("has the same bytes from another working directory", () => {
    const before = process.cwd();
    try {
      process.chdir(folder);
      assert.equal(buildDispatcherBundle().sha256, bundle.sha256);
    } finally {
      process.chdir(before);
    }
  });

  it("has the same bytes from a copy of the project with node_modules linked, in a deeper folder", async () => {
    const copy = join(folder, "some", "where", "else");
    for (const part of ["dispatcher", "components", "package.json"]) {
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    const copied = (await import(join(copy, "dispatcher", "bundle.ts"))) as typeof import("../../dispatcher/bundle");
    assert.notEqual(copied.buildDispatcherBundle, buildDispatcherBundle);
    assert.equal(copied.buildDispatcherBundle().sha256, bundle.sha256);
  });
});
