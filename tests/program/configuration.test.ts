import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeGcp } from "../../lab/gcp";
import { getParts } from "../../lab/parts";
import { PulumiProject } from "../../lab/pulumi/project";
import type { OperationResult } from "../../lab/pulumi/operation";

const ROOT = join(__dirname, "..", "..");
const OWN = "buildkite-scale-to-zero:";

/** What a user reads: the committed dev stack under the ordinary CLI, with one thing wrong at a time. */
describe("a stack with a bad configuration, under the ordinary pulumi command", function () {
  this.timeout(120_000);
  const gcp = new FakeGcp();
  let workDir: string;
  let project: PulumiProject;
  let stackFile: string;
  let good: string;

  before(async () => {
    const { pulumi } = await getParts(["pulumi"], { print: () => undefined });
    workDir = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
    await gcp.start();
    project = await PulumiProject.create({
      source: ROOT,
      stack: "dev",
      workDir: join(workDir, "pulumi"),
      pulumi: pulumi.path,
      env: { LAB_GCP_URL: gcp.url },
      config: { "gcp:project": "acme", [`${OWN}clusterName`]: "nowhere", [`${OWN}clusterLocation`]: "europe-west1" },
      secrets: {
        [`${OWN}agentToken`]: "bkct_of-the-tests-0123456789",
        [`${OWN}webhookSecret`]: "hook-of-the-tests-0123456789",
      },
    });
    stackFile = join(project.folder, "Pulumi.dev.yaml");
    good = await readFile(stackFile, "utf8");
  });

  afterEach(() => writeFile(stackFile, good));

  after(async () => {
    await project.remove();
    await gcp.stop();
    await rm(workDir, { recursive: true, force: true });
  });

  async function preview(change: (text: string) => string): Promise<OperationResult & { text: string }> {
    const changed = change(good);
    assert.notEqual(changed, good, "the test changes something");
    await writeFile(stackFile, changed);
    const result = await project.preview();
    assert.equal(result.ok, false, "it must be refused");
    const text = [result.stdout, result.stderr, ...result.diagnostics.map(({ message }) => message)].join("\n");
    assert.doesNotMatch(text, /of-the-tests/, "no secret is shown");
    assert.doesNotMatch(text, /\n\s+at .*\.ts:\d+/, "no stack trace for a user's mistake");
    assert.deepEqual(
      result.resources.filter(({ type }) => /^(gcp|kubernetes):/.test(type)),
      [],
      "nothing was touched",
    );
    return { ...result, text };
  }

  const set = (key: string, value: string) => (text: string) =>
    text.replace("config:\n", `config:\n  ${OWN}${key}: ${value}\n`);
  const replace = (key: string, value: string) => (text: string) =>
    text.replace(new RegExp(`  ${OWN}${key}: .*\n`), `  ${OWN}${key}: ${value}\n`);
  const drop = (key: string) => (text: string) => text.replace(new RegExp(`  ${OWN}${key}:[^\n]*\n(    .*\n)*`), "");

  it("says which declared key is missing, in the CLI's own words", async () => {
    const { text } = await preview(drop("maxNodes"));
    assert.match(text, /Stack 'dev' is missing configuration value '(buildkite-scale-to-zero:)?maxNodes'/);
  });

  it("says that a secret is missing, in the CLI's own words", async () => {
    const { text } = await preview(drop("agentToken"));
    assert.match(text, /Stack 'dev' is missing configuration value '(buildkite-scale-to-zero:)?agentToken'/);
  });

  it("says that a secret stands in clear, in the CLI's own words", async () => {
    const { text } = await preview((file) => set("agentToken", "plain")(drop("agentToken")(file)));
    assert.match(text, /agentToken' must be encrypted as it's secret/);
  });

  it("says which declared key has the wrong type, in the CLI's own words", async () => {
    const { text } = await preview(replace("maxNodes", "many"));
    assert.match(text, /configuration key '(buildkite-scale-to-zero:)?maxNodes' must be of type 'integer'/);
  });

  it("says that a secret stands where it would be kept in clear, and where it belongs", async () => {
    await project.setSecret(`${OWN}queues[0].env.NPM_TOKEN`, "npm-token-of-the-tests");
    const changed = await readFile(stackFile, "utf8");
    const { text } = await preview(() => changed);
    assert.match(text, /- queues holds a value that was set with --secret, .* name that in the queue's secretEnv/);
  });

  it("says which undeclared key is missing", async () => {
    const { text } = await preview(drop("clusterName"));
    assert.match(
      text,
      /The configuration of stack dev \(Pulumi\.dev\.yaml\) has a fault:\n\s+- clusterName and clusterLocation \(or clusterStack\) are missing/,
    );
  });

  it("says which value is out of range", async () => {
    const { text } = await preview(replace("maxNodes", "0"));
    assert.match(text, /maxNodes must be 1 or more, got 0: set it with: pulumi config set maxNodes <value>/);
  });

  it("says which key it does not know, and which one was meant", async () => {
    const { text } = await preview(set("maxNoods", "3"));
    assert.match(text, /maxNoods is not a key of this program; did you mean maxNodes\?/);
  });

  it("says which two keys contradict each other", async () => {
    const { text } = await preview(replace("exposure", "load-balancer"));
    assert.match(text, /exposure load-balancer needs internal: true or tlsCertificate and tlsKey/);
  });

  it("says that the stack file was encrypted under somebody else's key, in the CLI's own words", async () => {
    const foreign = "v1:5DgLxVYNi6M=:v1:KG0bHpNa6CJnT8dA:lJ8vqVpE6sGJIvgHlt7nQ0Qd7G0m0w==";
    const { text } = await preview((file) => file.replace(/^encryptionsalt: .*$/m, `encryptionsalt: ${foreign}`));
    assert.match(text, /incorrect passphrase/);
  });

  it("says that the cluster is not there, and how to see which are", async () => {
    const { text } = await preview((file) => file.replace("clusterName: nowhere", "clusterName: elsewhere"));
    assert.match(text, /The GKE cluster elsewhere in europe-west1 of project acme could not be looked up/);
    assert.match(text, /gcloud container clusters list --project acme/);
  });

  it("lists what is wrong with a cluster that is there", async () => {
    const endpoint = "127.0.0.1:1";
    const at = { project: "acme", location: "europe-west1", name: "autopilot", endpoint, caPem: "" };
    gcp.addCluster({ ...at, autopilot: true, version: "1.29.9-gke.1", workloadIdentity: false });
    const { text } = await preview((file) => file.replace("clusterName: nowhere", "clusterName: autopilot"));
    assert.match(text, /The GKE cluster autopilot cannot be used:/);
    assert.match(text, /Autopilot cluster, which refuses privileged pods/);
    assert.match(text, /runs Kubernetes 1\.29\.9-gke\.1, but 1\.30 or newer is needed/);
    assert.match(text, /Workload Identity is off/);
  });
});
