import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  ACTIVE_DEADLINE_ANNOTATION,
  ATTEMPT_ANNOTATION,
  jobName,
  JOB_UUID,
  MANAGED_BY_LABEL,
  PROJECT,
  TTL_ANNOTATION,
} from "../../components/contract";
import type { JobManifest, PodTemplateObject } from "../../components/stamp";
import { HeldJob } from "../../dispatcher/held-job";
import { KubernetesError } from "../../dispatcher/kubernetes/client";
import type { Job, Pod } from "../../dispatcher/kubernetes/objects";
import { PATIENCE } from "../../dispatcher/patience";
import { Pursuit } from "../../dispatcher/pursuit";
import type { QueueRoute } from "../../dispatcher/settings";
import { Slots } from "../../dispatcher/slots";

const ROUTE: QueueRoute = { key: "k8s", default: true, tags: ["queue=k8s"], template: "k8s", agentMode: "acquire" };
const TEMPLATE: PodTemplateObject = {
  metadata: {
    ...{ name: "k8s", namespace: "agents" },
    annotations: { [ACTIVE_DEADLINE_ANNOTATION]: "60", [TTL_ANNOTATION]: "60" },
  },
  template: { spec: {} },
};

/** A job's way to its Job, with a namespace that a test plays. */
class Scene {
  readonly uuid = randomUUID();
  readonly held = new HeldJob({
    ...{ job: { uuid: this.uuid, queue: "k8s", pipeline: "web" }, route: ROUTE, arrivedAt: 0, source: "webhook" },
  });
  readonly calls: string[] = [];
  readonly made: JobManifest[] = [];
  template: PodTemplateObject | undefined = TEMPLATE;
  job: Job | undefined;
  pods: Pod[] = [];
  hasPods = false;
  nameTaken = false;
  asksBuildkite = false;
  mostJobs = Infinity;
  liveJobs = 0;
  refusalLimitMs = PATIENCE.refusalLimitMs;

  step(): ReturnType<Pursuit["step"]> {
    const called = <T>(call: string, answer: T): Promise<T> => {
      this.calls.push(call);
      return Promise.resolve(answer);
    };
    const pursuit = new Pursuit({
      api: {
        createJob: (manifest) => {
          if (this.nameTaken) {
            return Promise.reject(new KubernetesError("create", 409, { reason: "AlreadyExists" }));
          }
          this.made.push(manifest);
          return called("create", undefined);
        },
        readJob: () => called("read", this.job),
        podsOf: () => called("pods", this.pods),
        deleteJob: () => called("delete", true),
      },
      templates: { watched: () => this.template, live: () => Promise.resolve(this.template) },
      hasPods: (uuid) => uuid === this.uuid && this.hasPods,
      slots: new Slots(this.mostJobs, () => this.liveJobs),
      patience: { ...PATIENCE, refusalLimitMs: this.refusalLimitMs },
      signal: new AbortController().signal,
      ...{ asksBuildkite: this.asksBuildkite, hurried: () => false },
    });
    return pursuit.step(this.held);
  }
}

const pod = (phase: string): Pod => ({ metadata: { name: "p", uid: "u" }, status: { phase } });

describe("a job on its way to its Job", () => {
  let scene: Scene;

  beforeEach(() => {
    scene = new Scene();
  });

  it("takes one call where no pod of it was ever seen", async () => {
    assert.equal(await scene.step(), "created");
    assert.deepEqual(scene.calls, ["create"]);
  });

  it("waits for a pod whose Job is gone: a build never has two", async () => {
    scene.hasPods = true;
    for (const phase of ["Pending", "Running"]) {
      scene.pods = [pod(phase)];
      const step = await scene.step();
      assert.equal(typeof step === "object" && "cause" in step && step.cause, "name");
    }
    assert.ok(!scene.calls.includes("create"));
    scene.pods = [pod("Failed")];
    assert.equal(await scene.step(), "created");
  });

  it("judges the Job that is there, without a create of which it knows the answer", async () => {
    scene.hasPods = true;
    scene.pods = [pod("Running")];
    const labels = { [MANAGED_BY_LABEL]: PROJECT, [JOB_UUID]: scene.uuid };
    scene.job = { metadata: { name: jobName(scene.uuid), uid: "u", labels } };
    assert.equal(await scene.step(), "exists");
    assert.deepEqual(scene.calls, ["read"]);
  });

  it("stays at Buildkite where the other replica's Jobs have filled the last slot meanwhile", async () => {
    scene.mostJobs = scene.liveJobs = 2;
    assert.equal(await scene.step(), "deferred");
    assert.equal(scene.held.deferredBy, "cap");
    assert.deepEqual(scene.calls, []);
    scene.liveJobs = 1;
    assert.equal(await scene.step(), "created");
  });

  it("leaves a Job that vanished between create and read to whoever replaces it: the attempts are counted there", async () => {
    scene.nameTaken = true;
    scene.asksBuildkite = true;
    assert.equal(await scene.step(), "deferred");
    scene.held.attempt = 2;
    const step = await scene.step();
    assert.equal(typeof step === "object" && "cause" in step && step.cause, "name");
  });

  it("has the next attempt's number while it waits for its time: by then the other replica may have made room", async () => {
    scene.asksBuildkite = true;
    scene.nameTaken = true;
    const labels = { [MANAGED_BY_LABEL]: PROJECT, [JOB_UUID]: scene.uuid };
    const annotations = { [ATTEMPT_ANNOTATION]: "2" };
    const ended = { type: "Failed", status: "True", lastTransitionTime: new Date().toISOString() };
    scene.job = {
      metadata: { name: jobName(scene.uuid), uid: "u", labels, annotations },
      status: { conditions: [ended] },
    };
    scene.held.said = { uid: "u", wanted: true };
    const step = await scene.step();
    assert.equal(typeof step === "object" && "cause" in step && step.cause, "attempt");
    // Both wake at the same moment. The other one has deleted the Job by now, pods first, and has not made the next yet.
    scene.nameTaken = false;
    scene.job = undefined;
    assert.equal(await scene.step(), "replaced");
    assert.equal(scene.made.at(-1)?.metadata.annotations[ATTEMPT_ANNOTATION], "3");
  });

  it("goes on with its next attempt where there is no slot: at Buildkite nobody would know its number", async () => {
    scene.mostJobs = scene.liveJobs = 2;
    scene.held.attempt = 2;
    assert.equal(await scene.step(), "replaced");
  });

  it("takes a missing template for the installation's fault, never the build's", async () => {
    scene.template = undefined;
    scene.refusalLimitMs = 0;
    assert.equal(typeof (await scene.step()), "object");
    assert.equal(await scene.step(), "refused");
    assert.equal(scene.held.refusedForGood, false, "the build would fail at Buildkite");
    assert.match(scene.held.refusal ?? "", /there is no PodTemplate k8s/);
  });
});
