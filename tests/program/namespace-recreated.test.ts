import assert from "node:assert/strict";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { PulumiProject } from "../../lab/pulumi/project";
import { administrator } from "../support/control-plane";
import { smallProgram, type SmallProgram } from "../support/small-program";
import { until } from "../support/until";

const NAMESPACE = "recreated-agents";
/** What a stamped pod and the dispatcher need of it, by path below the namespace. */
const NEEDED = [
  "/api/v1/namespaces/NAMESPACE/podtemplates/linux",
  "/api/v1/namespaces/NAMESPACE/secrets/buildkite-agent-token",
  "/api/v1/namespaces/NAMESPACE/serviceaccounts/buildkite-agent",
].map((path) => path.replace("NAMESPACE", NAMESPACE));

describe("the agents' namespace in a program, on a real API server", function () {
  this.timeout(240_000);
  let program: SmallProgram;
  let project: PulumiProject;
  let client: KubernetesClient;

  before(async () => {
    client = await administrator();
    program = await smallProgram("agents-namespace", { namespace: NAMESPACE }, { agentToken: "an-agent-token" });
    ({ project } = program);
  });

  after(async () => {
    await program.remove();
  });

  it("comes back with all that was in it by pulumi up --refresh, when somebody has deleted it", async () => {
    const uids = async (): Promise<string[]> =>
      await Promise.all(
        NEEDED.map(async (path) => (await client.request<{ metadata: { uid: string } }>("GET", path)).metadata.uid),
      );
    await succeeds(project.up());
    const first = await uids();

    await client.request("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
    await until("the namespace to be gone", () => isGone(client, `/api/v1/namespaces/${NAMESPACE}`), 60);
    await succeeds(project.up({ refresh: true }));

    const second = await uids();
    assert.equal(second.length, NEEDED.length);
    assert.deepEqual(
      second.filter((uid) => first.includes(uid)),
      [],
    );
    await succeeds(project.preview({ expectNoChanges: true }));
    await succeeds(project.destroy());
  });
});

async function succeeds(operation: ReturnType<PulumiProject["up"]>): Promise<void> {
  const { ok, stdout, stderr } = await operation;
  assert.equal(ok, true, stdout + stderr);
}

async function isGone(client: KubernetesClient, path: string): Promise<boolean> {
  try {
    await client.request("GET", path);
    return false;
  } catch (error) {
    if (error instanceof KubernetesError && error.status === 404) {
      return true;
    }
    throw error;
  }
}
