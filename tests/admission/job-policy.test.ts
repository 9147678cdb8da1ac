import assert from "node:assert/strict";
import { DindJobTemplate, type JobManifest, type PodTemplateObject, stamp } from "../../components";
import { jobTokenSourceOf } from "../../components/job-token-source";
import { knownTemplateBindingSpec, knownTemplatePolicySpec, RULES } from "../../components/job-policy";
import { type KubernetesClient, KubernetesError } from "../../dispatcher/kubernetes/client";
import { administrator } from "../support/control-plane";
import { registrationsOf } from "../support/mocks";
import { createStrictly, renderedObjects } from "../support/rendered";

const NAMESPACE = "policy-agents";
const UUID = "01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11";
const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;

/** A Job as a test bends it. */
interface LooseJob {
  metadata: {
    name: string;
    labels: Record<string, string>;
    annotations: Record<string, string>;
    [field: string]: unknown;
  };
  spec: {
    template: {
      metadata: { labels: Record<string, string>; annotations: Record<string, string>; finalizers?: string[] };
      spec: Record<string, unknown> & { containers: Record<string, unknown>[] };
    };
    [field: string]: unknown;
  };
}

const OTHER_UUID = "11111111-2222-4333-8444-555555555555";
const POLICY_WITH = (rule: Record<string, unknown>) => ({ rules: [rule] });

/** For each rule, by its message, the Jobs that break it and nothing before it. */
const BROKEN: Record<string, ((job: LooseJob) => void)[]> = {
  "the pod spec must equal the PodTemplate's": [
    (job) => (job.spec.template.spec["hostNetwork"] = true),
    (job) => (job.spec.template.spec["hostPID"] = true),
    (job) => (job.spec.template.spec["serviceAccountName"] = "somebody"),
    (job) => (job.spec.template.spec["automountServiceAccountToken"] = true),
    (job) => Object.assign(job.spec.template.spec.containers[0] ?? {}, { command: ["sh", "-c", "id"] }),
    (job) => Object.assign(job.spec.template.spec.containers[0] ?? {}, { image: "busybox" }),
    (job) => job.spec.template.spec.containers.push({ name: "more", image: "busybox" }),
    (job) => (job.spec.template.spec["tolerations"] = [{ operator: "Exists" }]),
    (job) => (job.spec.template.spec["priorityClassName"] = "system-node-critical"),
  ],
  "annotation buildkite.com/job-uuid must be a lower-case UUID": [
    (job) => delete job.metadata.annotations["buildkite.com/job-uuid"],
    (job) => (job.metadata.annotations["buildkite.com/job-uuid"] = "x"),
  ],
  "the name must be buildkite- and the UUID of annotation buildkite.com/job-uuid": [
    (job) => (job.metadata.name = "buildkite-another"),
    (job) => (job.metadata.name = `buildkite-${OTHER_UUID}`),
  ],
  "parallelism must be 1": [(job) => (job.spec["parallelism"] = 2), (job) => (job.spec["parallelism"] = 0)],
  "completions must be 1": [(job) => (job.spec["completions"] = 2), (job) => delete job.spec["completions"]],
  "maxFailedIndexes must be unset": [
    (job) => Object.assign(job.spec, { completionMode: "Indexed", backoffLimitPerIndex: 1, maxFailedIndexes: 1 }),
  ],
  "backoffLimitPerIndex must be unset": [
    (job) => Object.assign(job.spec, { completionMode: "Indexed", backoffLimitPerIndex: 1 }),
  ],
  "successPolicy must be unset": [
    (job) => Object.assign(job.spec, { completionMode: "Indexed", successPolicy: { rules: [{ succeededCount: 1 }] } }),
  ],
  "completionMode must be NonIndexed": [(job) => (job.spec["completionMode"] = "Indexed")],
  "backoffLimit must be 0": [(job) => (job.spec["backoffLimit"] = 6), (job) => delete job.spec["backoffLimit"]],
  "managedBy must be unset": [(job) => (job.spec["managedBy"] = "acme.example/controller")],
  "suspend must be unset or false": [(job) => (job.spec["suspend"] = true)],
  "manualSelector must be unset or false": [
    (job) => Object.assign(job.spec, { manualSelector: true, selector: { matchLabels: job.metadata.labels } }),
  ],
  "activeDeadlineSeconds must be the template's": [
    (job) => (job.spec["activeDeadlineSeconds"] = 999_999),
    (job) => delete job.spec["activeDeadlineSeconds"],
  ],
  "ttlSecondsAfterFinished must be the template's": [
    (job) => (job.spec["ttlSecondsAfterFinished"] = 999_999),
    (job) => delete job.spec["ttlSecondsAfterFinished"],
  ],
  "podReplacementPolicy must be Failed": [
    (job) => Object.assign(job.spec, { podFailurePolicy: undefined, podReplacementPolicy: "TerminatingOrFailed" }),
  ],
  "podFailurePolicy must fail the Job when container agent fails, and say nothing else": [
    (job) => delete job.spec["podFailurePolicy"],
    (job) =>
      (job.spec["podFailurePolicy"] = POLICY_WITH({
        action: "Ignore",
        onExitCodes: { containerName: "agent", operator: "NotIn", values: [0] },
      })),
    (job) =>
      (job.spec["podFailurePolicy"] = POLICY_WITH({
        action: "Ignore",
        onPodConditions: [{ type: "DisruptionTarget", status: "True" }],
      })),
    (job) =>
      (job.spec["podFailurePolicy"] = POLICY_WITH({
        action: "FailJob",
        onExitCodes: { operator: "NotIn", values: [0] },
      })),
  ],
  "ownerReferences must be unset": [
    (job) =>
      (job.metadata["ownerReferences"] = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: OTHER_UUID }]),
  ],
  "finalizers must be unset": [(job) => (job.metadata["finalizers"] = ["acme.example/never"])],
  "finalizers of the pod must be unset": [(job) => (job.spec.template.metadata.finalizers = ["acme.example/never"])],
  "a label key is not on the allow-list": [(job) => (job.metadata.labels["acme.example/x"] = "y")],
  "an annotation key is not on the allow-list": [(job) => (job.metadata.annotations["acme.example/x"] = "y")],
  "a label key of the pod is not on the allow-list": [
    (job) => (job.spec.template.metadata.labels["app.kubernetes.io/component"] = "webhook-dispatcher"),
  ],
  "an annotation key of the pod is not on the allow-list": [
    (job) =>
      (job.spec.template.metadata.annotations["container.apparmor.security.beta.kubernetes.io/agent"] = "unconfined"),
  ],
  "the pod must carry the template's own labels": [
    (job) => delete job.spec.template.metadata.labels["app.kubernetes.io/managed-by"],
  ],
  "the pod must carry the template's own annotations, cluster-autoscaler.kubernetes.io/safe-to-evict among them": [
    (job) => delete job.spec.template.metadata.annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"],
    (job) => (job.spec.template.metadata.annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] = "true"),
  ],
  "label buildkite.com/job-uuid of the Job must be the UUID": [
    (job) => (job.metadata.labels["buildkite.com/job-uuid"] = OTHER_UUID),
    (job) => delete job.metadata.labels["buildkite.com/job-uuid"],
  ],
  "label buildkite.com/job-uuid of the pod must be the UUID": [
    (job) => (job.spec.template.metadata.labels["buildkite.com/job-uuid"] = OTHER_UUID),
    (job) => delete job.spec.template.metadata.labels["buildkite.com/job-uuid"],
  ],
  "label app.kubernetes.io/managed-by of the Job must be buildkite-scale-to-zero": [
    (job) => (job.metadata.labels["app.kubernetes.io/managed-by"] = "somebody"),
    (job) => delete job.metadata.labels["app.kubernetes.io/managed-by"],
  ],
  "annotation buildkite.com/job-uuid of the pod must be the Job's: the agent acquires that job": [
    (job) => (job.spec.template.metadata.annotations["buildkite.com/job-uuid"] = OTHER_UUID),
    (job) => delete job.spec.template.metadata.annotations["buildkite.com/job-uuid"],
  ],
};

describe("the admission policy of a template, on a real API server", function () {
  this.timeout(120_000);
  let client: KubernetesClient;
  let template: PodTemplateObject;

  before(async () => {
    client = await administrator();
    const policy = { apiVersion: "admissionregistration.k8s.io/v1" };
    const resources = { agent: { cpu: "500m", memory: "1Gi" }, dind: { cpu: "1", memory: "4Gi" } };
    const registrations = await registrationsOf(() => {
      for (const queue of ["default", "other"]) {
        new DindJobTemplate(queue, {
          namespace: NAMESPACE,
          templateName: queue,
          queue,
          // The other's pods fetch a token for their own job.
          ...(queue === "default"
            ? { agentToken: { secret: "token", key: "token" } }
            : { jobAcquisitionTokens: jobTokenSourceOf("policy-dispatcher") }),
          resources: queue === "default" ? resources : { ...resources, dind: { cpu: "2", memory: "4Gi" } },
          nodeSelector: { "buildkite-scale-to-zero/pool": "agents" },
        });
      }
    });
    await createStrictly(client, [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
      ...renderedObjects(registrations),
      {
        ...policy,
        kind: "ValidatingAdmissionPolicy",
        metadata: { name: "policy-known-templates" },
        spec: knownTemplatePolicySpec(["default", "other"]),
      },
      {
        ...policy,
        kind: "ValidatingAdmissionPolicyBinding",
        metadata: { name: "policy-known-templates" },
        spec: knownTemplateBindingSpec("policy-known-templates", NAMESPACE),
      },
    ]);
    template = await client.request<PodTemplateObject>("GET", `/api/v1/namespaces/${NAMESPACE}/podtemplates/default`);
    await inForce();
  });

  /** The API server hears of a new policy and of its parameter through watches: until then it lets pass or refuses all. */
  async function inForce(): Promise<void> {
    for (const end = Date.now() + 30_000; ;) {
      const bad = honest();
      bad.spec["backoffLimit"] = 6;
      const unknown = honest();
      unknown.metadata.labels["buildkite-scale-to-zero/template"] = "nobody";
      const [refusedBad, refusedUnknown, passed] = [
        await refusal(bad),
        await refusal(unknown),
        await refusal(honest()),
      ];
      if (refusedBad !== undefined && refusedUnknown !== undefined && passed === undefined) {
        return;
      }
      assert.ok(Date.now() < end, `the policies never came into force; an honest Job: ${String(passed)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  function honest(queue = "default"): LooseJob {
    return loose(stamp(template, { uuid: UUID, queue, pipeline: "web" }));
  }

  /** A copy in which nothing is shared: bending the Job's labels must not bend the pod's. */
  function loose(job: JobManifest): LooseJob {
    return JSON.parse(JSON.stringify(job)) as LooseJob;
  }

  /** What the API server says to a Job (dry run: nothing is created); undefined when it takes it. */
  async function refusal(job: LooseJob): Promise<string | undefined> {
    try {
      await client.request("POST", JOBS, { body: job, query: { dryRun: "All", fieldValidation: "Strict" } });
      return undefined;
    } catch (error) {
      if (error instanceof KubernetesError) {
        return `${error.status}: ${error.message}`;
      }
      throw error;
    }
  }

  it("lets a stamped Job pass", async () => {
    assert.equal(await refusal(honest()), undefined);
  });

  it("lets a stamped Job with a build address and a higher attempt pass", async () => {
    const job = stamp(
      template,
      { uuid: UUID, queue: "q".repeat(100), pipeline: "web", buildUrl: "https://buildkite.com/acme/web/builds/1" },
      3,
    );
    assert.equal(await refusal(loose(job)), undefined);
  });

  it("has a test here for every rule", () => {
    assert.deepEqual(
      Object.keys(BROKEN),
      RULES.map(({ message }) => message),
    );
    assert.ok(Object.values(BROKEN).every((mutations) => mutations.length > 0));
  });

  for (const [message, mutations] of Object.entries(BROKEN)) {
    for (const [index, mutate] of mutations.entries()) {
      it(`refuses: ${message}${mutations.length > 1 ? ` (${index + 1})` : ""}`, async () => {
        const job = honest();
        mutate(job);
        const text = await refusal(job);
        assert.ok(text !== undefined, "the API server took it");
        assert.ok(text.startsWith("403: "), text);
        assert.ok(text.endsWith(`denied request: ${message}`), text);
      });
    }
  }

  it("refuses a Job without a template label, which no binding would select", async () => {
    const job = honest();
    delete job.metadata.labels["buildkite-scale-to-zero/template"];
    assert.match(
      (await refusal(job)) ?? "",
      /^403: .*must name one of the templates of this namespace: default, other/,
    );
  });

  it("refuses a Job under a template that is not known", async () => {
    const job = honest();
    job.metadata.labels["buildkite-scale-to-zero/template"] = "nobody";
    assert.match((await refusal(job)) ?? "", /^403: .*must name one of the templates/);
  });

  it("refuses one template's pod under another template's label", async () => {
    const job = honest();
    job.metadata.labels["buildkite-scale-to-zero/template"] = "other";
    job.spec.template.metadata.labels["buildkite-scale-to-zero/template"] = "other";
    assert.match((await refusal(job)) ?? "", /^403: .*the pod spec must equal the PodTemplate's/);
  });

  it("lets a stamped Job pass whose pod fetches its token, and none that shows what it asks with to more", async () => {
    const path = `/api/v1/namespaces/${NAMESPACE}/podtemplates/other`;
    const other = await client.request<PodTemplateObject>("GET", path);
    const job = (): LooseJob => loose(stamp(other, { uuid: UUID, queue: "other", pipeline: "web" }));
    assert.equal(await refusal(job()), undefined);
    const shown = job();
    const mount = { name: "job-token-request", mountPath: "/run/job-token-request", readOnly: true };
    (shown.spec.template.spec.containers[0]?.["volumeMounts"] as object[]).push(mount);
    assert.match((await refusal(shown)) ?? "", /the pod spec must equal the PodTemplate's/);
    const elsewhere = job();
    const [, asks] = elsewhere.spec.template.spec["initContainers"] as { args: string[] }[];
    asks?.args.splice(0, 1, "https://collector.example/job-token");
    assert.match((await refusal(elsewhere)) ?? "", /the pod spec must equal the PodTemplate's/);
  });

  it("leaves Jobs of other namespaces alone", async () => {
    const job = honest();
    job.metadata["namespace"] = "default";
    job.spec["backoffLimit"] = 6;
    await client.request("POST", "/apis/batch/v1/namespaces/default/jobs", { body: job, query: { dryRun: "All" } });
  });

  it("takes Jobs of a changed template, and refuses those of the old one, once the change has spread", async () => {
    const path = `/api/v1/namespaces/${NAMESPACE}/podtemplates/other`;
    const before = await client.request<PodTemplateObject>("GET", path);
    const was = loose(stamp(before, { uuid: UUID, queue: "other", pipeline: "web" }));
    assert.equal(await refusal(was), undefined);
    const changed = await client.request<PodTemplateObject>("PATCH", path, {
      contentType: "application/merge-patch+json",
      body: { template: { spec: { activeDeadlineSeconds: 777 } } },
    });
    const now = loose(stamp(changed, { uuid: UUID, queue: "other", pipeline: "web" }));
    for (const end = Date.now() + 10_000; (await refusal(now)) !== undefined;) {
      assert.ok(Date.now() < end, "the new template's Jobs are taken within 10 s");
    }
    assert.match((await refusal(was)) ?? "", /the pod spec must equal the PodTemplate's/);
  });
});
