import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const SCRIPT = join(__dirname, "..", "..", ".ci", "preview");

const PREVIEW = JSON.stringify({
  steps: [{ op: "create", urn: "urn:pulumi:dev::p::kubernetes:core/v1:Namespace::agents", newState: { inputs: {} } }],
});

/**
 * Stand-ins for gcloud, kubectl and pulumi that write down how they were called and end as the test says. They prove the
 * script's order and that it fails where it must, nothing about the tools.
 */
const TOOLS: Readonly<Record<string, string>> = {
  gcloud: 'echo "gcloud $*" >>"$CALLS"',
  kubectl: 'echo "kubectl $*" >>"$CALLS"; exit "${KUBECTL_EXIT:-0}"',
  pulumi: `echo "pulumi $*" >>"$CALLS"
case "$*" in
  *"\${UNKNOWN:-nothing}") echo "error: no $UNKNOWN" >&2; exit 1 ;;
  *clusterStack) [ -z "\${NO_STACK:-}" ] && echo acme/clusters/dev || { echo "error: no clusterStack" >&2; exit 1; } ;;
  "config get"*clusterName) [ -z "\${FROM_STACK:-}" ] && echo builds || { echo "error: no clusterName" >&2; exit 1; } ;;
  "config get"*clusterLocation) [ -z "\${FROM_STACK:-}" ] && echo europe-west1 ;;
  "config get"*gcp:project) echo acme ;;
  "stack output"*) echo "of-the-other-stack" ;;
  *--json) [ "\${JSON_EXIT:-0}" = 0 ] && echo '${PREVIEW}'; exit "\${JSON_EXIT:-0}" ;;
  *--diff) echo "what went wrong" ;;
  *--policy-pack*) exit "\${POLICY_EXIT:-0}" ;;
esac`,
};

describe("the preview script of CI", function () {
  this.timeout(60_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "buildkite-scale-to-zero-preview-"));
    for (const [name, body] of Object.entries(TOOLS)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    }
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function run(env: NodeJS.ProcessEnv) {
    const calls = join(folder, "calls");
    const summary = join(folder, "summary.md");
    const { status, stderr, stdout } = spawnSync(SCRIPT, [summary], {
      encoding: "utf8",
      env: { ...process.env, PATH: [folder, process.env["PATH"] ?? ""].join(delimiter), CALLS: calls, ...env },
    });
    return {
      status,
      stderr,
      stdout,
      calls: existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : [],
      summary: existsSync(summary) ? readFileSync(summary, "utf8") : undefined,
    };
  }

  const stack = { PULUMI_PREVIEW_STACK: "dev" };

  it("asks the cluster at its DNS endpoint, then writes the summary, then runs the policy pack", () => {
    const { status, stderr, calls, summary } = run(stack);
    assert.equal(status, 0, stderr);
    assert.deepEqual(calls.slice(-4), [
      "gcloud container clusters get-credentials builds --location europe-west1 --project acme --dns-endpoint",
      "kubectl get --raw /version --request-timeout 20s",
      "pulumi preview --non-interactive --stack dev --show-sames --json",
      "pulumi preview --non-interactive --stack dev --policy-pack policy",
    ]);
    assert.match(summary ?? "", /^## Preview of stack dev\n/);
  });

  it("finds the cluster by clusterStack, too", () => {
    const { status, stderr, calls } = run({ ...stack, FROM_STACK: "1" });
    assert.equal(status, 0, stderr);
    assert.ok(
      calls.includes("pulumi stack output --non-interactive --stack acme/clusters/dev clusterName"),
      calls.join("\n"),
    );
    assert.ok(calls.some((call) => call.startsWith("gcloud container clusters get-credentials of-the-other-stack ")));
  });

  it("says which key it could not read, and what it tried for it, before it asks anything else", () => {
    const alone = run({ ...stack, FROM_STACK: "1", NO_STACK: "1" });
    assert.equal(alone.status, 1);
    assert.match(
      alone.stderr,
      /^preview: clusterName of stack dev could not be read\. What was tried:\nits own configuration: error: no clusterName\nthe output clusterName of the stack that its clusterStack names: error: no clusterStack\n$/,
    );
    assert.ok(!alone.calls.some((call) => call.startsWith("gcloud")), alone.calls.join("\n"));
    const other = run({ ...stack, UNKNOWN: "clusterLocation" });
    assert.equal(other.status, 1);
    assert.match(
      other.stderr,
      /^preview: clusterLocation of .*\n.*no clusterLocation\n.* clusterStack names \(acme\/clusters\/dev\): error: no clusterLocation\n$/,
    );
    const project = run({ ...stack, UNKNOWN: "gcp:project" });
    assert.equal(project.status, 1);
    assert.equal(project.stderr, "error: no gcp:project\n");
    assert.ok(![...other.calls, ...project.calls].some((call) => call.startsWith("gcloud")));
  });

  it("fails without a preview where the cluster does not answer", () => {
    const { status, stderr, calls, summary } = run({ ...stack, KUBECTL_EXIT: "1" });
    assert.equal(status, 1);
    assert.match(stderr, /cluster builds in europe-west1 of project acme does not answer at its DNS endpoint/);
    assert.equal(summary, undefined);
    assert.ok(!calls.some((call) => call.startsWith("pulumi preview")));
  });

  it("fails, with the people's text, where the preview does", () => {
    const { status, stdout, summary } = run({ ...stack, JSON_EXIT: "255" });
    assert.equal(status, 1);
    assert.match(stdout, /what went wrong/);
    assert.equal(summary, undefined);
  });

  it("fails where a policy refuses, and has written the summary before", () => {
    const { status, summary } = run({ ...stack, POLICY_EXIT: "1" });
    assert.equal(status, 1);
    assert.match(summary ?? "", /^## Preview of stack dev\n/);
  });

  it("says that it needs a stack", () => {
    const { status, stderr, calls } = run({ PULUMI_PREVIEW_STACK: "" });
    assert.equal(status, 1);
    assert.match(stderr, /PULUMI_PREVIEW_STACK must name the stack to preview/);
    assert.deepEqual(calls, []);
  });
});
