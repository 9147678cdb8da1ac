import assert from "node:assert/strict";
import type { PodTemplateObject } from "../../components";
import { stamp } from "../../components";
import { type KubernetesClient, KubernetesError } from "../../dispatcher/kubernetes/client";
import type { PulumiProject } from "../../lab/pulumi/project";
import { administrator } from "../support/control-plane";
import { type SmallProgram, smallProgram } from "../support/small-program";
import { until } from "../support/until";

const UUID = "01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11";

describe("DindJobTemplate by itself, in a program of somebody else's", function () {
  this.timeout(120_000);
  let program: SmallProgram;
  let project: PulumiProject;
  let client: KubernetesClient;
  let namespace: string;

  before(async () => {
    client = await administrator();
    program = await smallProgram("standalone", {});
    ({ project } = program);
  });

  after(async () => program.remove());

  it("goes up with what it needs and nothing else", async () => {
    const result = await project.up();
    assert.equal(result.ok, true, result.stdout + result.stderr);
    assert.deepEqual(
      (await project.urns())
        .map((urn) => urn.split("::").slice(2).join(" "))
        .filter((urn) => !urn.startsWith("pulumi:"))
        .sort(),
      [
        "buildkite-scale-to-zero:index:DindJobTemplate docker",
        "buildkite-scale-to-zero:index:DindJobTemplate$kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy docker-policy",
        "buildkite-scale-to-zero:index:DindJobTemplate$kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding docker-binding",
        "buildkite-scale-to-zero:index:DindJobTemplate$kubernetes:core/v1:PodTemplate docker-template",
        "kubernetes:core/v1:Namespace builds",
        "kubernetes:core/v1:Secret agent-token",
      ].sort(),
    );
    namespace = String((await project.outputs())["namespace"]);
  });

  it("stamps a Job that the API server takes, and guards against any other", async () => {
    const template = await client.request<PodTemplateObject>(
      "GET",
      `/api/v1/namespaces/${namespace}/podtemplates/docker`,
    );
    const job = stamp(template, { uuid: UUID, queue: "docker", pipeline: "web" });
    const create = (body: unknown) =>
      client.request("POST", `/apis/batch/v1/namespaces/${namespace}/jobs`, { body, query: { dryRun: "All" } }).then(
        () => "taken",
        (error: unknown) => (error instanceof KubernetesError ? error.message : String(error)),
      );
    await until("the policy to be in force", async () =>
      (await create({ ...job, spec: { ...job.spec, backoffLimit: 3 } })).includes("backoffLimit must be 0"),
    );
    assert.equal(await create(job), "taken");
  });

  it("goes away again", async () => {
    const result = await project.destroy();
    assert.equal(result.ok, true, result.stdout + result.stderr);
  });
});
