import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import type { EngineEvent } from "../../lab/pulumi/engine-events";
import { summarize } from "../../lab/pulumi/operation";
import { withoutEncryption } from "../../lab/pulumi/project-copy";
import { configPath, setPlainConfig } from "../../lab/pulumi/stack-file";

describe("stack files of a project's copy", () => {
  it("lose salt, secrets provider and every encrypted value, and keep the rest", () => {
    const text = [
      "encryptionsalt: v1:abc",
      "secretsprovider: gcpkms://somebody",
      "encryptedkey: abc",
      "config:",
      "  p:plain: 1",
      "  p:token: { secure: v1:abc }",
      "  p:queues:",
      "    - key: a",
      "      password: { secure: v1:abc }",
      "  p:list: [{ secure: v1:abc }, x]",
    ].join("\n");
    assert.deepEqual(parse(withoutEncryption(text)), {
      config: { "p:plain": 1, "p:queues": [{ key: "a" }], "p:list": ["x"] },
    });
  });

  it("take plain values by path", async () => {
    const folder = await mkdtemp(join(tmpdir(), "stack-file-"));
    try {
      const file = join(folder, "Pulumi.dev.yaml");
      await writeFile(file, "config:\n  p:queues:\n    - key: a\n    - key: b\n");
      await setPlainConfig(file, { "p:maxNodes": "5", "p:queues[1].weight": "2", "gcp:project": "x" });
      assert.deepEqual(parse(await readFile(file, "utf8")), {
        config: { "p:queues": [{ key: "a" }, { key: "b", weight: 2 }], "p:maxNodes": "5", "gcp:project": "x" },
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("understands the paths that pulumi config set --path takes", () => {
    assert.deepEqual(configPath('p:a.b[0]["c.d"].e'), ["p:a", "b", 0, "c.d", "e"]);
    assert.throws(() => configPath("maxNodes"), /needs its namespace/);
  });
});

describe("what happened in an operation", () => {
  const step = (op: string, urn: string, detailedDiff?: Record<string, { diffKind: string }>) => ({
    metadata: { op, urn, type: "t", detailedDiff },
  });
  function event(fields: Partial<EngineEvent>): EngineEvent {
    return { sequence: 0, timestamp: 0, ...fields };
  }

  it("is told once per resource, with the paths that changed", () => {
    const diff = { "b.c": { diffKind: "update" }, a: { diffKind: "add" } };
    const { resources, changes } = summarize([
      event({ resourcePreEvent: step("update", "urn:1", diff) }),
      event({ resOutputsEvent: step("update", "urn:1", diff) }),
      event({ resOutputsEvent: step("same", "urn:2") }),
      event({ summaryEvent: { resourceChanges: { same: 1, update: 1 } } }),
    ]);
    assert.deepEqual(resources, [
      { urn: "urn:1", type: "t", op: "update", diffs: ["a", "b.c"] },
      { urn: "urn:2", type: "t", op: "same" },
    ]);
    assert.deepEqual(changes, { same: 1, update: 1 });
  });

  it("keeps the three steps of a replacement apart", () => {
    const ops = ["create-replacement", "replace", "delete-replaced"];
    const { resources } = summarize(ops.map((op) => event({ resOutputsEvent: step(op, "urn:1") })));
    assert.deepEqual(
      resources.map(({ op }) => op),
      ops,
    );
  });

  it("keeps messages without colours, and drops those that only replaced each other on the screen", () => {
    const { diagnostics } = summarize([
      event({ diagnosticEvent: { urn: "u", severity: "info", message: "waiting", ephemeral: true } }),
      event({ diagnosticEvent: { urn: "u", severity: "error", message: "<{%reset%}>no<{%reset%}>" } }),
    ]);
    assert.deepEqual(diagnostics, [{ severity: "error", urn: "u", message: "no" }]);
  });
});
