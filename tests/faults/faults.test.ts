import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { Gate } from "../../dispatcher/gate";
import { createNodes, type PlayedNodes } from "../../lab/faults/nodes";
import type { FaultResult } from "../../lab/faults/row";
import { ROWS } from "../../lab/faults/rows";
import { runRow } from "../../lab/faults/run-row";
import { POOL } from "../../lab/faults/system";
import { inBackground } from "../../lab/in-background";
import { administrator, sharedControlPlane } from "../support/control-plane";

/** Those that hold the main guards, small; the others by `npm run faults`. */
const SUBSET = [
  "webhooks: half lost",
  "webhooks: each three times",
  "webhooks: damaged on the way",
  "webhooks: for jobs already canceled",
  "webhooks: replayed old ones",
  "webhooks: slow clients",
  "webhooks: 100,000 mutated bodies",
  "dispatcher: both replicas killed",
  "dispatcher: SIGTERM during a burst",
  "dispatcher: 128 MiB and 10,000 scheduled jobs",
];
const BUILDS = 12;
const SEED = 5_000;
/** Rows mostly wait: some can do so at one time. */
const AT_ONCE = 3;
const LIMIT_MS = 400_000;

describe("faults, a few of them and small", () => {
  let nodes: PlayedNodes | undefined;
  const gate = new Gate(AT_ONCE);
  const stopping = new AbortController();
  const running = new Map<string, Promise<FaultResult>>();

  async function run(name: string, index: number, webhookOnly: boolean): Promise<FaultResult> {
    const row = ROWS.find((one) => one.name === name);
    assert.ok(row !== undefined, `there is no row ${JSON.stringify(name)}`);
    const { adminKubeconfig: access } = await sharedControlPlane();
    const admin = await administrator();
    const context = { admin, access, webhookOnly, builds: BUILDS, seed: SEED + index, signal: stopping.signal };
    return await runRow(row, { ...context, namespace: `faults-${index}-${randomUUID().slice(0, 8)}` });
  }

  before(async function () {
    this.timeout(120_000);
    nodes = await createNodes(await administrator(), POOL, [400, 400]);
    for (const [index, name] of [...SUBSET, "webhook-only"].entries()) {
      const isLast = index === SUBSET.length;
      running.set(name, inBackground(gate.run(() => run(isLast ? "webhooks: half lost" : name, index, isLast))));
    }
  });

  after(async function () {
    this.timeout(60_000);
    stopping.abort(new Error("the tests are over"));
    await Promise.allSettled(running.values());
    await nodes?.remove();
  });

  for (const name of SUBSET) {
    it(name, async function () {
      this.timeout(LIMIT_MS);
      const result = await running.get(name);
      assert.ok(result !== undefined);
      assert.deepEqual(result.complaints, [], `${result.complaints.join("\n")}\n(${result.note})`);
      const { scheduled, ranOnce, canceled, lost, twice, overlappingPods } = result;
      assert.deepEqual({ lost, twice, overlappingPods }, { lost: 0, twice: 0, overlappingPods: 0 });
      assert.ok(scheduled >= BUILDS && ranOnce + canceled === scheduled);
    });
  }

  it("half lost, and the dispatcher does not ask Buildkite: the suite can fail", async function () {
    this.timeout(LIMIT_MS);
    const result = await running.get("webhook-only");
    const text = result?.complaints.join("\n") ?? "";
    assert.match(text, /^\d+ not run in the time there was$/m);
    assert.equal(result?.healedSeconds, null);
  });
});
