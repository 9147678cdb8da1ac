import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { OperationResult } from "../../lab/pulumi/operation";
import { parsePreview } from "../../tools/preview/preview";
import { summaryOf } from "../../tools/preview/summary";
import { committedStack } from "../support/committed-stack";
import { administrator, sharedControlPlane } from "../support/control-plane";
import { withDispatcherPods } from "../support/dispatcher-pods";

const POLICY_PACK = join(__dirname, "..", "..", "policy");
const OWN = "buildkite-scale-to-zero:";
const DIGEST = `@sha256:${"0a".repeat(32)}`;

/** What the engine said about policies: `level policy (type: name)`, each once, sorted. */
function violations({ stdout }: OperationResult): string[] {
  const found = [...stdout.matchAll(/- \[(\w+)\] +(?:\[severity: \w+\] +)?(\S+) +\(([^)]*)\)/g)].map(
    ([, level = "", policy = "", resource = ""]) => `${level} ${policy} (${resource})`,
  );
  return [...new Set(found)].sort();
}

/** Which policies refused what, each once. */
function policiesOf(result: OperationResult): string[] {
  return [...new Set(violations(result).map((line) => line.split(" ")[1] ?? ""))];
}

describe("the policy pack and the preview's summary, under the ordinary pulumi command", function () {
  this.timeout(240_000);

  it("refuse each published example by the rules it breaks", async () => {
    const { kubeconfigPath } = await sharedControlPlane();
    await using stack = await committedStack("dev", {
      source: join(__dirname, "fixtures"),
      config: { "kubernetes:kubeconfig": kubeconfigPath },
      own: false,
    });
    const refused = await stack.project.preview({ policyPack: POLICY_PACK });
    assert.equal(refused.ok, false, refused.stdout);
    assert.match(violations(refused).join("\n"), /^mandatory /m);
    // The engine ends a program at the first refusal. As advice all of them are heard.
    const policyPackConfig = join(stack.project.folder, "policy-config.json");
    await writeFile(policyPackConfig, JSON.stringify({ all: "advisory" }));
    const advised = await stack.project.preview({ policyPack: POLICY_PACK, policyPackConfig });
    assert.equal(advised.ok, true, advised.stdout + advised.stderr);
    const [pod, job, daemonSet] = ["core/v1:Pod", "batch/v1:Job", "apps/v1:DaemonSet"].map(
      (kind) => `kubernetes:${kind}`,
    );
    const [deployment, service] = ["kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Service"];
    assert.deepEqual(
      violations(advised).filter((line) => !line.includes(" pinned-images ")),
      [
        `advisory agents-pool-taint (gcp:container:NodePool: buildkite)`,
        ...[
          `${job}: compose-tcp`,
          `${job}: compose-unix`,
          `${job}: shell-dind`,
          `${pod}: sidecar-tcp`,
          `${pod}: sidecar-unix`,
        ].map((resource) => `advisory dind-deadline (${resource})`),
        ...[
          ...[`${deployment}: agent-chart`, `${daemonSet}: daemonset`, `${job}: compose-tcp`, `${job}: compose-unix`],
          ...[`${job}: shell-dind`, `${pod}: sidecar-tcp`, `${pod}: sidecar-unix`],
        ].flatMap((resource) => [
          `advisory dind-memory-limits (${resource})`,
          `advisory dind-unix-socket-only (${resource})`,
        ]),
        ...[
          `${deployment}: agent-chart`,
          `${daemonSet}: daemonset`,
          `${job}: compose-tcp`,
          `${pod}: sidecar-tcp`,
          `${service}: daemonset`,
        ].map((resource) => `advisory no-docker-port (${resource})`),
        `advisory pool-total-limits (gcp:container:NodePool: buildkite)`,
        `advisory webhook-https-only (${service}: public-webhook)`,
        `advisory webhook-https-only (kubernetes:networking.k8s.io/v1:Ingress: public-webhook)`,
      ].sort(),
    );
  });

  it("refuse the production stack for its images alone, and nothing once they are pinned", async () => {
    await using stack = await committedStack("prod");
    const refused = await stack.project.preview({ policyPack: POLICY_PACK });
    assert.equal(refused.ok, false, refused.stdout);
    assert.deepEqual(policiesOf(refused), ["pinned-images-in-production"]);
    await stack.project.setConfig({
      [`${OWN}nodeImage`]: `node:24.21.0-slim${DIGEST}`,
      ...Object.fromEntries(
        [0, 1].flatMap((queue) => [
          [`${OWN}queues[${queue}].agentImage`, `buildkite/agent:3.138.1${DIGEST}`],
          [`${OWN}queues[${queue}].dindImage`, `docker:29.7.2-dind${DIGEST}`],
        ]),
      ),
    });
    const allowed = await stack.project.preview({ policyPack: POLICY_PACK });
    assert.equal(allowed.ok, true, allowed.stdout + allowed.stderr);
    assert.deepEqual(violations(allowed), []);
  });

  it("let the dev stack through, and tell a reviewer what a change means", async () => {
    await using stack = await committedStack("dev");
    const { project, secrets } = stack;
    const summary = async (): Promise<string> => {
      const { exitCode, stdout, stderr } = await project.previewJson();
      assert.equal(exitCode, 0, stderr);
      const text = summaryOf(parsePreview(stdout));
      for (const secret of secrets) {
        assert.ok(
          !text.includes(secret) && !text.includes(Buffer.from(secret).toString("base64")),
          "no secret is shown",
        );
      }
      return text;
    };

    const allowed = await project.preview({ policyPack: POLICY_PACK });
    assert.equal(allowed.ok, true, allowed.stdout + allowed.stderr);
    assert.deepEqual(policiesOf(allowed), ["pinned-images"], "advice, on a stack that is not production");

    const created = await summary();
    assert.match(created, /^## Preview of stack dev\n\ncreate 42\.\n/);
    assert.match(created, /\| agents-pool: cost per hour at the maximum \| - \| about \$0\.16 \(4 × \$0\.040\) \|/);
    assert.match(created, /\| added \| PodTemplate docker-template \| privileged container dind: root on its node; /);
    assert.match(created, /\| added \| Role dispatcher-role \| create, get, list, watch, delete on jobs \(batch\); /);

    const client = await administrator();
    const up = await withDispatcherPods(client, "buildkite-dev-dispatcher", project.up());
    assert.equal(up.ok, true, up.stdout + up.stderr);
    try {
      await project.setConfig({
        [`${OWN}maxNodes`]: "9",
        [`${OWN}machineType`]: "n2-standard-8",
        [`${OWN}spot`]: "false",
        [`${OWN}exposure`]: "ingress",
        [`${OWN}host`]: "builds.example.com",
        [`${OWN}queues[3].key`]: "night",
      });
      const changed = await summary();
      for (const row of [
        "| agents-pool: most nodes | 4 | 9 |",
        "| agents-pool: machine type | e2-standard-4 | n2-standard-8 |",
        "| agents-pool: Spot | yes | no |",
        "| agents-pool: cost per hour at the maximum | about $0.16 (4 × $0.040) | about $3.50 (9 × $0.389) |",
        "| dispatcher-settings: jobs that may run or wait for a node | 4 | 9 |",
        "| night-template: deadline in seconds | - | 14400 |",
        "| added | PodTemplate night-template | privileged container dind: root on its node; runs as service account buildkite-agent, without its token |",
        "| added | GlobalAddress webhook-address | an address on the internet |",
        "| added | Ingress dispatcher-ingress | public HTTPS builds.example.com /webhook |",
        "| **replace** | NodePool agents-pool | nodeConfig.spot |",
      ]) {
        assert.ok(changed.includes(`\n${row}\n`), `${row}\nis not in\n${changed}`);
      }
      assert.doesNotMatch(changed, /docker-template/, "what stays is not told");
    } finally {
      const destroyed = await withDispatcherPods(client, "buildkite-dev-dispatcher", project.destroy());
      assert.equal(destroyed.ok, true, destroyed.stdout + destroyed.stderr);
    }
  });
});
