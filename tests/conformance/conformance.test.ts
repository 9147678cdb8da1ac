import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CASES } from "../../lab/conformance/cases";
import { MODES } from "../../lab/conformance/modes";
import type { ConformanceResults } from "../../lab/conformance/results";
import { needsRealNode } from "../support/real-node";

const ROOT = join(__dirname, "..", "..");

/** The same program as `npm run conformance`, once; each case in each mode is a test of its own. */
describe("the conformance suite, on a real node", () => {
  let folder: string | undefined;
  let results: ConformanceResults;

  before("run every case in every mode", async function () {
    needsRealNode(this);
    // About 7 minutes; the parts of a new machine come on top.
    this.timeout(40 * 60_000);
    folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-conformance-test-"));
    const program = join(ROOT, "lab", "conformance", "main.ts");
    const child = spawn(process.execPath, ["--import", "tsx", program, "--parallel", "6", "--out", folder], {
      cwd: ROOT,
      env: { ...process.env, TSX_DISABLE_CACHE: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    // Its own tables would only repeat what the tests say.
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const progress = text.split("\n").filter((line) => /^ *[0-9]+\/[0-9]+ |: (ready|built|building)/.test(line));
      process.stdout.write(progress.map((line) => `    ${line}\n`).join(""));
    });
    const stop = () => child.kill("SIGTERM");
    process.once("exit", stop);
    await new Promise((resolve, reject) => child.once("close", resolve).once("error", reject));
    process.removeListener("exit", stop);
    results = JSON.parse(await readFile(join(folder, "conformance.json"), "utf8")) as ConformanceResults;
  });

  after(async () => {
    if (folder !== undefined) {
      await rm(folder, { recursive: true, force: true });
    }
  });

  for (const { name } of CASES) {
    for (const mode of MODES) {
      it(`${name} (${mode})`, () => {
        const row = results.cases.find((one) => one.case === name && one.mode === mode);
        assert.ok(row !== undefined, `no result: ${results.failures.join("; ")}`);
        if (!row.asDocumented) {
          throw new Error(row.note);
        }
      });
    }
  }

  it("leaves the machine as it was", () => {
    assert.deepEqual(results.leftovers, []);
  });

  it("names the versions of the real parts, and the cgroup version its proof is for", () => {
    for (const part of ["kubelet", "containerd", "dockerd", "buildkite-agent", "kube-apiserver"]) {
      assert.ok(results.versions[part] !== undefined, part);
    }
    assert.match(results.cgroup, /^v[12]$/);
  });
});
