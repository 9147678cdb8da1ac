import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { DindJobTemplate, type DindJobTemplateArgs } from "../../components";
import { only, registrationsOf } from "../support/mocks";

const ARGS: DindJobTemplateArgs = {
  namespace: "agents",
  templateName: "default",
  queue: "default",
  agentToken: { secret: "token", key: "token" },
  resources: { agent: { cpu: "500m", memory: "1Gi" }, dind: { cpu: "1", memory: "4Gi" } },
};
const TEMPLATE = "kubernetes:core/v1:PodTemplate";
const BINDING = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding";

describe("DindJobTemplate", () => {
  it("holds the pod as a PodTemplate of a fixed name, never as a Job", async () => {
    const registrations = await registrationsOf(() => new DindJobTemplate("default", ARGS));
    const template = only(registrations, TEMPLATE, "default-template").inputs;
    assert.deepEqual(template["metadata"], {
      name: "default",
      namespace: "agents",
      labels: { "app.kubernetes.io/managed-by": "buildkite-scale-to-zero" },
      annotations: {
        "buildkite-scale-to-zero/activeDeadlineSeconds": "21600",
        "buildkite-scale-to-zero/ttlSecondsAfterFinished": "600",
      },
    });
    assert.equal(
      registrations.some(({ type }) => type.includes("Job") && type.startsWith("kubernetes:")),
      false,
    );
  });

  it("lets the wait for a node never shorten the build: the Job's deadline is the pod's plus the pending limit", async () => {
    const args = { ...ARGS, timeoutSeconds: 1000, pendingLimitSeconds: 500 };
    const template = only(await registrationsOf(() => new DindJobTemplate("default", args)), TEMPLATE).inputs as {
      metadata: { annotations: Record<string, string> };
      template: { spec: { activeDeadlineSeconds: number } };
    };
    assert.equal(template.metadata.annotations["buildkite-scale-to-zero/activeDeadlineSeconds"], "1500");
    assert.equal(template.template.spec.activeDeadlineSeconds, 1000);
  });

  it("keeps the autoscaler from evicting a running build: the annotation is on the pod", async () => {
    const template = only(await registrationsOf(() => new DindJobTemplate("default", ARGS)), TEMPLATE).inputs as {
      template: { metadata: { annotations: Record<string, string> } };
    };
    assert.equal(template.template.metadata.annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"], "false");
  });

  it("binds its policy to its own Jobs, with the PodTemplate as parameter, and denies when that is missing", async () => {
    const registrations = await registrationsOf(() => new DindJobTemplate("default", ARGS));
    const spec = only(registrations, BINDING).inputs["spec"] as Record<string, unknown>;
    assert.deepEqual(spec, {
      policyName: "default-policy-abc1234",
      validationActions: ["Deny"],
      paramRef: { name: "default", namespace: "agents", parameterNotFoundAction: "Deny" },
      matchResources: {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "agents" } },
        objectSelector: { matchLabels: { "buildkite-scale-to-zero/template": "default" } },
      },
    });
    const policy = only(registrations, "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy");
    assert.equal((policy.inputs["spec"] as Record<string, unknown>)["failurePolicy"], "Fail");
    assert.equal((policy.inputs["metadata"] as Record<string, unknown> | undefined)?.["name"], undefined);
  });

  it("keeps a secret environment value secret up to the engine", async () => {
    const args = { ...ARGS, env: { NPM_TOKEN: pulumi.secret("hush") } };
    const template = only(await registrationsOf(() => new DindJobTemplate("default", args)), TEMPLATE);
    assert.ok(template.secretPaths.length > 0, "the value is marked secret");
  });

  it("previews with an unknown namespace", async () => {
    const registrations = await registrationsOf(() => new DindJobTemplate("default", ARGS), { preview: true });
    assert.equal(registrations.length, 4);
  });

  it("takes an address pool that is one network", async () => {
    const args = { ...ARGS, defaultAddressPools: [{ base: "10.200.0.0/16", size: 16 }] };
    assert.equal((await registrationsOf(() => new DindJobTemplate("default", args))).length, 4);
  });

  const refused: [string, Partial<DindJobTemplateArgs>, RegExp][] = [
    ["a queue key with a space", { queue: "my queue" }, /queue must be a queue key/],
    ["a queue key of 101 characters", { queue: "q".repeat(101) }, /queue must be a queue key/],
    ["a template name in capitals", { templateName: "Default" }, /templateName must be/],
    ["a time limit under a minute", { timeoutSeconds: 10 }, /timeoutSeconds must be a whole number from 60/],
    ["a grace period Spot would cut", { terminationGracePeriodSeconds: 5 }, /terminationGracePeriodSeconds must be/],
    ["a variable the template sets", { env: { DOCKER_HOST: "x" } }, /env\.DOCKER_HOST must be left out/],
    [
      "a variable of the SSH key's",
      { gitCredentials: { type: "ssh", secret: "git" }, secretEnv: { GIT_SSH_COMMAND: { secret: "s", key: "k" } } },
      /secretEnv\.GIT_SSH_COMMAND must be left out/,
    ],
    [
      "a variable named twice",
      { env: { A: "1" }, secretEnv: { A: { secret: "s", key: "k" } } },
      /env\.A stands in env and in secretEnv/,
    ],
    ["the queue as a tag", { tags: { queue: "other" } }, /tags\.queue must be left out/],
    ["a tag with a comma", { tags: { a: "b,c" } }, /tags\.a must be a key and a value/],
    [
      "memory that is no quantity",
      { resources: { ...ARGS.resources, dind: { cpu: "1", memory: "lots" } } },
      /resources\.dind\.memory must be a Kubernetes quantity/,
    ],
    ["a graph without a limit", { dockerGraphSizeLimit: "none" }, /dockerGraphSizeLimit must be a Kubernetes quantity/],
    [
      "a checkout in words",
      { buildsSizeLimit: "20 GB" },
      /buildsSizeLimit must be a Kubernetes quantity .*, got "20 GB"/,
    ],
    [
      "a volume under a taken name",
      { volumes: [{ volume: { name: "builds", emptyDir: {} }, mountPath: "/x" }] },
      /volumes\[0\]\.volume\.name must not be builds/,
    ],
    [
      "an address pool that is no network",
      { defaultAddressPools: [{ base: "999.1.1.1/16", size: 24 }] },
      /defaultAddressPools\[0\]\.base must be an IPv4 network .*, got "999\.1\.1\.1\/16"/,
    ],
    [
      "networks that are larger than their pool, which dockerd does not start with",
      { defaultAddressPools: [{ base: "10.200.0.0/16", size: 12 }] },
      /defaultAddressPools\[0\]\.size must be a whole number from 16 to 30 .*, got 12/,
    ],
    ["a mirror that is no address", { registryMirrors: ["mirror"] }, /registryMirrors\[0\] must be a mirror's address/],
  ];
  for (const [what, args, message] of refused) {
    it(`refuses ${what} before it creates anything`, async () => {
      const registrations = await registrationsOf(() => {
        assert.throws(() => new DindJobTemplate("default", { ...ARGS, ...args }), message);
      });
      assert.equal(registrations.filter(({ type }) => type.startsWith("kubernetes:")).length, 0);
    });
  }
});
