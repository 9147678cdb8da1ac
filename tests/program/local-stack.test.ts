import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contextName } from "../../lab/control-plane";
import { getParts } from "../../lab/parts";
import { PulumiProject } from "../../lab/pulumi/project";
import { sharedControlPlane } from "../support/control-plane";

const OWN = "buildkite-scale-to-zero:";

describe("the committed local stack, under the ordinary pulumi command", function () {
  this.timeout(120_000);
  let folder: string;
  let project: PulumiProject;

  before(async () => {
    const { kubeconfigPath } = await sharedControlPlane();
    const { pulumi } = await getParts(["pulumi"], { print: () => undefined });
    folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
    project = await PulumiProject.create({
      source: join(__dirname, "..", ".."),
      stack: "local",
      workDir: join(folder, "pulumi"),
      pulumi: pulumi.path,
      config: { [`${OWN}kubeconfig`]: kubeconfigPath, [`${OWN}context`]: contextName },
      secrets: {
        [`${OWN}agentToken`]: "bkct_of-the-tests-0123456789",
        [`${OWN}webhookSecret`]: "hook-of-the-tests-0123456789",
      },
    });
  });

  after(async () => {
    await project.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it("needs no Google account: no pool, no selector, nothing of gcp", async () => {
    const result = await project.preview();
    assert.equal(result.ok, true, result.stdout + result.stderr);
    assert.equal(result.changes["create"], 30);
    assert.deepEqual(
      result.resources.filter(({ type }) => type.includes("gcp") || type.endsWith("AgentNodePool")),
      [],
    );
    assert.doesNotMatch(result.stdout + result.stderr, /without a digest/);
  });

  it("is told of images without a digest once it is protected", async () => {
    await project.setConfig({ [`${OWN}protect`]: "true" });
    const result = await project.preview();
    await project.setConfig({ [`${OWN}protect`]: "false" });
    assert.equal(result.ok, true, result.stdout + result.stderr);
    assert.match(result.stdout, /Stack local runs 3 images by tag, without a digest/);
  });

  it("gains alert rules and a dashboard where monitoring is on, and nothing else", async () => {
    await project.setConfig({ [`${OWN}monitoring`]: "true" });
    const result = await project.preview();
    await project.setConfig({ [`${OWN}monitoring`]: "false" });
    assert.equal(result.ok, true, result.stdout + result.stderr);
    assert.equal(result.changes["create"], 30 + 3);
    const named = result.resources.map(({ type }) => type.split("$").at(-1) ?? "");
    assert.ok(
      named.some((type) => type.endsWith("DispatcherMonitoring")),
      named.join(),
    );
  });

  it("never takes whatever context happens to be current", async () => {
    await project.setConfig({ [`${OWN}context`]: "another-cluster" });
    const result = await project.preview();
    await project.setConfig({ [`${OWN}context`]: contextName });
    assert.equal(result.ok, false, result.stdout);
    assert.match(
      result.stdout + result.stderr,
      new RegExp(`context must be one of .*, got "another-cluster"; there are: ${contextName}`),
    );
  });

  it("says that the kubeconfig is not there", async () => {
    const { kubeconfigPath } = await sharedControlPlane();
    await project.setConfig({ [`${OWN}kubeconfig`]: "/nowhere/kubeconfig" });
    const result = await project.preview();
    await project.setConfig({ [`${OWN}kubeconfig`]: kubeconfigPath });
    assert.equal(result.ok, false);
    assert.match(
      result.stdout + result.stderr,
      /kubeconfig must be the path of a file, got "\/nowhere\/kubeconfig", which does not exist/,
    );
  });
});
