import assert from "node:assert/strict";
import { compare, propertyPath, touches } from "../../lab/pulumi/provider-protocol/detailed-diff";
import {
  containsUnknown,
  isSecret,
  markLike,
  plain,
  secret,
  UNKNOWN,
  type Properties,
} from "../../lab/pulumi/provider-protocol/property-values";

describe("property values on the provider's wire", () => {
  it("loses every secret marker, however deep, and nothing else", () => {
    const marked = { a: secret({ b: [secret("x"), 1] }), c: null };
    assert.deepEqual(plain(marked), { a: { b: ["x", 1] } });
  });

  it("marks a value once", () => {
    assert.deepEqual(secret(secret("x")), secret("x"));
  });

  it("finds unknowns inside secrets and lists", () => {
    assert.equal(containsUnknown({ a: [secret({ b: UNKNOWN })] }), true);
    assert.equal(containsUnknown({ a: [secret({ b: "known" })] }), false);
  });

  it("marks in the outputs what is secret in the inputs", () => {
    const outputs = { a: "x", b: [{ c: "y", d: 1 }], e: "z" };
    const marked = markLike(outputs, { a: secret("x"), b: [{ c: secret("y") }] }) as typeof outputs;
    assert.equal(isSecret(marked.a), true);
    assert.equal(isSecret(marked.b[0]?.c), true);
    assert.deepEqual([marked.b[0]?.d, marked.e], [1, "z"]);
  });

  it("marks a whole list where the server changed its length: positions no longer tell which element is secret", () => {
    const marked = markLike(["injected", "x"], [secret("x")]);
    assert.equal(isSecret(marked), true);
    assert.equal(isSecret(markLike(["injected", "x"], ["x"])), false);
  });
});

describe("detailed diffs", () => {
  function paths(olds: Properties, news: Properties) {
    return Object.fromEntries([...compare(olds, news)].map(([path, { kind }]) => [path, kind]));
  }

  it("names every leaf that came, went or changed", () => {
    assert.deepEqual(paths({ a: { b: 1, c: 2 }, d: [1, 2] }, { a: { b: 3, e: 4 }, d: [1] }), {
      "a.b": "update",
      "a.c": "delete",
      "a.e": "add",
      "d[1]": "delete",
    });
  });

  it("sees no difference in secret markers, nulls and the provider's own notes", () => {
    assert.deepEqual(paths({ a: 1, b: null, __defaults: [] }, { a: secret(1), __defaults: ["x"] }), {});
  });

  it("writes paths as the engine parses them", () => {
    assert.equal(propertyPath(["spec", "containers", 0, "env"]), "spec.containers[0].env");
    assert.equal(propertyPath(["metadata", "labels", "a/b.c"]), 'metadata.labels["a/b.c"]');
  });

  for (const [keys, kind, expected] of [
    [["spec", "selector", "matchLabels", "a"], "update", true],
    [["spec"], "delete", true],
    [["spec", "replicas"], "update", false],
    [["spec", "selectors"], "update", false],
  ] as const) {
    it(`says that ${propertyPath(keys)} (${kind}) ${expected ? "touches" : "does not touch"} spec.selector`, () => {
      assert.equal(touches({ kind, keys }, ["spec.selector"]), expected);
    });
  }
});
