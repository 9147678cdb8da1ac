import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEnvironment } from "../../dispatcher/environment";
import { readSettings, reconcileSettings, SettingsError } from "../../dispatcher/settings";

const CLUSTER = "42f1a7da-812d-4430-93d8-1cc7c33a6bcf";
const QUEUE = { key: "k8s", default: true, tags: ["queue=k8s"], template: "k8s", agentMode: "acquire" };
const SETTINGS = {
  agentsNamespace: "agents",
  queues: [QUEUE],
  mode: "webhook-only",
  limits: { createConcurrency: 16, bufferSize: 1000 },
};

const RECONCILE = {
  ...SETTINGS,
  mode: "reconcile",
  stackKey: "scale-to-zero-dev-0a1b2c3d",
  buildkite: { endpoint: "https://agent.buildkite.com/v3", intervalSeconds: 10 },
  limits: { ...SETTINGS.limits, inFlight: 4 },
};

const at = (endpoint: string) => ({ ...RECONCILE, buildkite: { ...RECONCILE.buildkite, endpoint } });
const withQueue = (...more: object[]) => ({ ...SETTINGS, queues: more.map((one) => ({ ...QUEUE, ...one })) });
const read = (value: unknown) => readSettings(JSON.stringify(value));

describe("the settings", () => {
  it("are read as they were written", () => {
    assert.deepEqual(read(SETTINGS), SETTINGS);
    const clustered = withQueue({ clusterId: CLUSTER }, { clusterId: CLUSTER.replace("4", "5"), agentMode: "queue" });
    assert.deepEqual(read(clustered), clustered);
    assert.deepEqual(read(RECONCILE), RECONCILE);
  });

  it("give what reconciling needs, and nothing in webhook-only", () => {
    const { stackKey, buildkite, limits } = RECONCILE;
    assert.deepEqual(reconcileSettings(read(RECONCILE)), { ...buildkite, stackKey, inFlight: limits.inFlight });
    assert.equal(reconcileSettings(read(SETTINGS)), undefined);
  });

  it("take plain HTTP only where the token stays near", () => {
    for (const endpoint of ["http://127.0.0.1:4000/v3", "http://[::1]/v3", "http://relay.ci.svc/v3"]) {
      assert.deepEqual(read(at(endpoint)), at(endpoint));
    }
  });

  const faults: [string, unknown, RegExp][] = [
    ["no object", [], /^settings must be an object, got \[\]$/],
    ["an unknown key", { ...SETTINGS, cap: 1 }, /^settings: unknown key "cap"; known are agentsNamespace, queues/],
    [
      "no namespace",
      { ...SETTINGS, agentsNamespace: undefined },
      /^agentsNamespace must be a namespace's name, got nothing/,
    ],
    ["a bad namespace", { ...SETTINGS, agentsNamespace: "A/b" }, /^agentsNamespace must be .*, got "A\/b"$/],
    ["no queue", { ...SETTINGS, queues: [] }, /^queues must be a list with at least one entry, got \[\]$/],
    ["another mode", { ...SETTINGS, mode: "both" }, /^mode must be "reconcile" or "webhook-only", got "both"$/],
    ["no stack key", { ...RECONCILE, stackKey: undefined }, /^stackKey must be 1 to 80 letters.*, got nothing$/],
    ["a long stack key", { ...RECONCILE, stackKey: "k".repeat(81) }, /^stackKey must be 1 to 80/],
    ["no cap", { ...RECONCILE, limits: SETTINGS.limits }, /^limits\.inFlight must be an integer from 1 to 100000/],
    ["no Buildkite", { ...RECONCILE, buildkite: undefined }, /^buildkite must be an object, got nothing$/],
    ["the token in clear", at("http://agent.buildkite.com/v3"), /^buildkite\.endpoint must be an https:\/\/ address/],
    ["no address", at("agent.buildkite.com"), /^buildkite\.endpoint must be .*, got "agent\.buildkite\.com"$/],
    ["a password in the address", at("https://a:b@buildkite.com/v3"), /^buildkite\.endpoint must be/],
    [
      "two modes at once",
      { ...RECONCILE, mode: "webhook-only" },
      /^stackKey is for mode "reconcile", but mode is "webhook-only": remove one of them$/,
    ],
    ["a bad queue key", withQueue({ key: "a b" }), /^queues\[0\]\.key must be 1 to 100 letters/],
    ["an unknown queue key", withQueue({ tag: "x" }), /^queues\[0\]: unknown key "tag"/],
    [
      "a default that is a text",
      withQueue({ default: "yes" }),
      /^queues\[0\]\.default must be true or false, got "yes"$/,
    ],
    ["a bad cluster", withQueue({ clusterId: "c" }), /^queues\[0\]\.clusterId must be a lower-case UUID, got "c"$/],
    ["a bad tag", withQueue({ tags: ["queue=k8s", "x"] }), /^queues\[0\]\.tags\[1\] must be k=v, got "x"$/],
    ["no queue tag", withQueue({ tags: ["a=b"] }), /^queues\[0\]\.tags must contain "queue=k8s"/],
    ["a bad template", withQueue({ template: "../x" }), /^queues\[0\]\.template must be a PodTemplate's name/],
    [
      "a bad agent mode",
      withQueue({ agentMode: "x" }),
      /^queues\[0\]\.agentMode must be "acquire" or "queue", got "x"$/,
    ],
    ["a queue twice", withQueue({ default: false }, { default: false }), /^queues\[1\]\.key: "k8s" is there twice/],
    [
      "two defaults",
      withQueue({}, { key: "b", tags: ["queue=b"] }),
      /^queues\[1\]\.default: a cluster has one default queue/,
    ],
    [
      "no concurrency",
      { ...SETTINGS, limits: { bufferSize: 1 } },
      /^limits\.createConcurrency must be an integer from 1 to 256/,
    ],
    [
      "a buffer of none",
      { ...SETTINGS, limits: { createConcurrency: 1, bufferSize: 0 } },
      /^limits\.bufferSize must be .*, got 0$/,
    ],
  ];
  for (const [what, settings, message] of faults) {
    it(`refuse ${what}, naming field, rule and value`, () => {
      assert.throws(
        () => read(settings),
        (error) => error instanceof SettingsError && message.test(error.message),
      );
    });
  }

  it("refuse what is not JSON", () => {
    assert.throws(() => readSettings("{"), SettingsError);
  });
});

describe("the environment", () => {
  it("names the variable that is missing", () => {
    assert.throws(() => readEnvironment({}), /DISPATCHER_SETTINGS is not set/);
  });

  it("needs the agent token's directory for mode reconcile", async () => {
    const folder = await mkdtemp(join(tmpdir(), "dispatcher-settings-"));
    try {
      const path = join(folder, "settings.json");
      await writeFile(path, JSON.stringify(RECONCILE));
      assert.throws(
        () => readEnvironment({ DISPATCHER_SETTINGS: path, DISPATCHER_WEBHOOK_SECRETS: folder }),
        /^Error: DISPATCHER_AGENT_TOKEN is not set: it must be the directory of the agent token/,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("names the file that cannot be read", () => {
    assert.throws(
      () => readEnvironment({ DISPATCHER_SETTINGS: "/absent/settings.json" }),
      /cannot read \/absent\/settings/,
    );
  });
});
