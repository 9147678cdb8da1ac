import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv";
import { parse } from "yaml";
import { buildkiteSchema } from "../support/buildkite-schema";

const ROOT = join(__dirname, "..", "..");
const read = (...path: string[]) => readFileSync(join(ROOT, ...path), "utf8");

interface Workflow {
  on: Record<string, unknown>;
  permissions: unknown;
  jobs: Record<string, { if: string; permissions: unknown; steps: { uses?: string }[] }>;
}

interface Pipeline {
  steps: { if: string; plugins: Record<string, unknown>[] }[];
}

describe("the preview workflow of GitHub", () => {
  const text = read(".github", "workflows", "preview.yml");
  const workflow = parse(text) as Workflow;

  /** What GitHub's own parser (npm @actions/workflow-parser) says of it: schema and expressions. */
  async function faultsOf(content: string): Promise<string[]> {
    const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser");
    const { context, value } = parseWorkflow({ name: "preview.yml", content }, new NoOperationTraceWriter());
    const template = value === undefined ? undefined : await convertWorkflowTemplate(context, value);
    const messages = [...context.errors.getErrors().map(({ message }) => message)];
    return [...messages, ...(template?.errors ?? []).map(({ Message }) => Message)];
  }

  it("is what GitHub's own parser takes, which tells a wrong key and a wrong expression", async () => {
    assert.deepEqual(await faultsOf(text), []);
    assert.match((await faultsOf(text.replace("runs-on:", "runs_on:"))).join(), /Unexpected value 'runs_on'/);
    assert.match(
      (await faultsOf(text.replace("vars.PULUMI_PREVIEW_STACK !=", "varz.X !="))).join(),
      /named-value: 'varz'/,
    );
  });

  it("runs for pull requests only where switched on, never for forks, with the least rights", () => {
    assert.deepEqual(Object.keys(workflow.on), ["pull_request"]);
    assert.deepEqual(workflow.permissions, {});
    const [job, ...more] = Object.values(workflow.jobs);
    assert.ok(job !== undefined && more.length === 0);
    assert.deepEqual(job.permissions, { contents: "read", "id-token": "write" });
    for (const condition of [
      "vars.PULUMI_PREVIEW_STACK != ''",
      "github.event.pull_request.head.repo.full_name == github.repository",
    ]) {
      assert.ok(job.if.split(" && ").includes(condition), condition);
    }
  });

  it("names each action by a full version", () => {
    const uses = Object.values(workflow.jobs).flatMap(({ steps }) => steps.flatMap((step) => step.uses ?? []));
    assert.equal(uses.length, 5);
    for (const one of uses) {
      assert.match(one, /^[\w-]+\/[\w-]+@v\d+\.\d+\.\d+$/);
    }
  });

  it("installs the CLI that the tests run", () => {
    assert.match(read("lab", "parts", "catalogue.ts"), /pulumiVersion = "v3\.259\.0"/);
    assert.match(text, /pulumi-version: 3\.259\.0\n/);
  });
});

describe("the preview pipeline of Buildkite", function () {
  this.timeout(150_000);
  const text = read(".buildkite", "preview.yml");
  const pipeline = parse(text) as Pipeline;

  it("follows Buildkite's published schema", async function () {
    const found = await buildkiteSchema();
    if ("reason" in found) {
      Object.assign(this, { skipReason: found.reason });
      return this.skip();
    }
    const validate = new Ajv({ schemaId: "auto", logger: false }).compile(found.schema);
    assert.ok(validate(pipeline), JSON.stringify(validate.errors));
    const wrong = parse(text.replace("timeout_in_minutes: 20", "timeout_in_minutes: soon")) as object;
    assert.equal(validate(wrong), false, "a wrong value is told");
  });

  it("runs for pull requests only where switched on, never for forks, with plugins of a full version", () => {
    const [step, ...more] = pipeline.steps;
    assert.ok(step !== undefined && more.length === 0);
    for (const condition of [
      'build.env("PULUMI_PREVIEW_STACK") != null',
      'build.env("PULUMI_PREVIEW_STACK") != ""',
      "build.pull_request.id != null",
      "build.pull_request.repository.fork == false",
    ]) {
      assert.ok(
        step.if
          .trim()
          .split(/\s+&&\s+/)
          .includes(condition),
        condition,
      );
    }
    for (const name of step.plugins.flatMap(Object.keys)) {
      assert.match(name, /#v\d+\.\d+\.\d+$/);
    }
  });
});
