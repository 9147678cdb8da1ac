import assert from "node:assert/strict";
import { type PodTemplateObject, stamp } from "../../components";
import { labelValue } from "../../components/stamp";
import { templateNameFor } from "../../components/template-name";

const TEMPLATE: PodTemplateObject = {
  metadata: {
    name: "default",
    namespace: "agents",
    annotations: {
      "buildkite-scale-to-zero/activeDeadlineSeconds": "21600",
      "buildkite-scale-to-zero/ttlSecondsAfterFinished": "600",
    },
  },
  template: {
    metadata: {
      labels: { team: "web" },
      annotations: { "cluster-autoscaler.kubernetes.io/safe-to-evict": "false" },
    },
    spec: { containers: [{ name: "agent", aFieldNobodyKnows: true }] },
  },
};
const UUID = "01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11";
const JOB = { uuid: UUID, queue: "default", pipeline: "web", buildUrl: "https://buildkite.com/acme/web/builds/1" };

describe("stamp", () => {
  it("makes the whole Job: one pod, once, named after the Buildkite job", () => {
    const labels = {
      team: "web",
      "app.kubernetes.io/managed-by": "buildkite-scale-to-zero",
      "buildkite-scale-to-zero/template": "default",
      "buildkite.com/job-uuid": UUID,
      "buildkite.com/queue": "default",
      "buildkite.com/pipeline": "web",
    };
    const annotations = { "buildkite.com/job-uuid": UUID, "buildkite.com/build-url": JOB.buildUrl };
    assert.deepEqual(stamp(TEMPLATE, JOB), {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: {
        name: `buildkite-${UUID}`,
        namespace: "agents",
        labels,
        annotations: { ...annotations, "buildkite-scale-to-zero/attempt": "1" },
      },
      spec: {
        parallelism: 1,
        completions: 1,
        backoffLimit: 0,
        activeDeadlineSeconds: 21600,
        ttlSecondsAfterFinished: 600,
        podReplacementPolicy: "Failed",
        podFailurePolicy: {
          rules: [{ action: "FailJob", onExitCodes: { containerName: "agent", operator: "NotIn", values: [0] } }],
        },
        template: {
          metadata: {
            labels,
            annotations: { "cluster-autoscaler.kubernetes.io/safe-to-evict": "false", ...annotations },
          },
          spec: TEMPLATE.template.spec,
        },
      },
    });
  });

  it("passes the pod spec through untouched, fields that no type knows included", () => {
    const { spec } = stamp(TEMPLATE, JOB);
    assert.equal((spec["template"] as { spec: unknown }).spec, TEMPLATE.template.spec);
  });

  it("counts attempts on the Job, never on the pod", () => {
    const job = stamp(TEMPLATE, JOB, 3);
    assert.equal(job.metadata.annotations["buildkite-scale-to-zero/attempt"], "3");
    assert.doesNotMatch(JSON.stringify(job.spec), /attempt/);
  });

  it("refuses what is no UUID: it becomes a name and reaches the agent", () => {
    for (const uuid of ["", "x", UUID.toUpperCase(), `${UUID}\n`, `../${UUID}`, `${UUID}0`]) {
      assert.throws(() => stamp(TEMPLATE, { ...JOB, uuid }), /job\.uuid must be a lower-case UUID/);
    }
  });

  it("refuses an attempt that is no count", () => {
    for (const attempt of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => stamp(TEMPLATE, JOB, attempt), /attempt must be an integer of 1 or more/);
    }
  });

  it("refuses a template whose limits are missing or malformed, and says which", () => {
    for (const value of ["", "0", "ten", "1.5", "-1"]) {
      const annotations = {
        ...TEMPLATE.metadata.annotations,
        "buildkite-scale-to-zero/ttlSecondsAfterFinished": value,
      };
      assert.throws(
        () => stamp({ ...TEMPLATE, metadata: { ...TEMPLATE.metadata, annotations } }, JOB),
        /PodTemplate default: annotation buildkite-scale-to-zero\/ttlSecondsAfterFinished must be a number of seconds/,
      );
    }
  });
});

describe("label values", () => {
  it("are the text itself where that is allowed", () => {
    for (const text of ["web", "a", "my_queue.1-x", "x".repeat(63)]) {
      assert.equal(labelValue(text), text);
    }
  });

  it("are made safe and stay distinct where it is not", () => {
    const texts = ["", "-a", "a-", "a b", "a/b", "ü", "x".repeat(64), "x".repeat(100), "_", "a\nb"];
    const values = texts.map(labelValue);
    assert.equal(new Set(values).size, texts.length);
    for (const value of values) {
      assert.match(value, /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
    }
  });
});

describe("template names", () => {
  it("are the queue's key where that is a DNS label, else one made of it, distinct for distinct keys", () => {
    assert.equal(templateNameFor("default"), "default");
    const keys = ["Default", "my_queue", "_", "q".repeat(100), "my-queue_", "A", "a_"];
    const names = keys.map(templateNameFor);
    assert.equal(new Set(names).size, keys.length);
    for (const name of names) {
      assert.match(name, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    }
  });
});
