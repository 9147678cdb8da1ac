import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeGcp } from "../../lab/gcp";
import { getParts } from "../../lab/parts";
import { createAdminToken } from "../../lab/pulumi/cluster-credential/admin-token";
import { PulumiProject } from "../../lab/pulumi/project";
import { createSystemNode } from "../../lab/system-node";
import { administrator, sharedControlPlane } from "./control-plane";

const OWN = "buildkite-scale-to-zero:";

/** A committed stack under the ordinary CLI: the shared control plane as its cluster, the Google stand-in for the rest. */
export interface CommittedStack extends AsyncDisposable {
  readonly project: PulumiProject;
  /** The values nobody may ever read in what a command printed. */
  readonly secrets: readonly string[];
}

/**
 * One at a time: its system node has a fixed name.
 *
 * @param options `source`: the project, the checkout unless a test brings its own, whose configuration is not ours then.
 */
export async function committedStack(
  stack: string,
  options: { source?: string; config?: Record<string, string>; own?: boolean } = {},
): Promise<CommittedStack> {
  const { source = join(__dirname, "..", ".."), config = {}, own = true } = options;
  await using cleanUp = new AsyncDisposableStack();
  const client = await administrator();
  const { server, caPem } = (await sharedControlPlane()).adminKubeconfig;
  const { pulumi } = await getParts(["pulumi"], { print: () => undefined });
  const folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const gcp = new FakeGcp();
  await gcp.start();
  cleanUp.defer(() => gcp.stop());
  gcp.addCluster({ project: "acme", location: "europe-west1", name: "builds", endpoint: new URL(server).host, caPem });
  // For `up`: a Deployment is awaited until its pods are ready, and kwok makes them so on a node of its own.
  await createSystemNode(client);
  cleanUp.defer(() => client.request("DELETE", "/api/v1/nodes/system-1").then(() => undefined));
  await writeFile(join(folder, "credential"), await createAdminToken(client), { mode: 0o600 });
  const secrets = ["agent-token", "webhook-secret"].map((name) => `${name}-${randomBytes(8).toString("hex")}`);
  const project = await PulumiProject.create({
    source,
    stack,
    workDir: join(folder, "pulumi"),
    pulumi: pulumi.path,
    env: { LAB_GCP_URL: gcp.url, LAB_CLUSTER_CREDENTIAL: join(folder, "credential") },
    config: {
      "gcp:project": "acme",
      ...(own ? { [`${OWN}clusterName`]: "builds", [`${OWN}clusterLocation`]: "europe-west1" } : {}),
      ...config,
    },
    secrets: own ? { [`${OWN}agentToken`]: secrets[0] ?? "", [`${OWN}webhookSecret`]: secrets[1] ?? "" } : {},
  });
  cleanUp.defer(() => project.remove());
  const owned = cleanUp.move();
  return { project, secrets, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
