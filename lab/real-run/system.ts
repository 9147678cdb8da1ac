import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FakeBuildkite } from "../buildkite";
import { runAll } from "../clean-up";
import { CLUSTER } from "../cluster";
import { repositoryFiles } from "../conformance/repository";
import { FakeGcp } from "../gcp";
import { GitServer } from "../git";
import { createAdminToken } from "../pulumi/cluster-credential/admin-token";
import { type RealCluster, type RealClusterOptions, startRealCluster } from "../real-cluster";
import { machineAddress, type RealNode } from "../real-node";
import type { LabSecrets } from "../secrets";

/** Cluster, stand-ins and the node that the dispatcher runs on; the pool's node comes when a pod waits for it. */
export interface RealSystem extends Pick<RealCluster, "client" | "startNode"> {
  readonly systemNode: RealNode;
  /** Holds the bearer token that the stand-in for Google's auth plugin hands out. */
  readonly credentialFile: string;
  readonly gcp: FakeGcp;
  readonly buildkite: FakeBuildkite;
  readonly git: GitServer;
  /** Id of the one commit in the repository `web`. */
  readonly commit: string;
  stop(): Promise<void>;
}

/** Starts it; stops what had started when a part cannot. */
export async function startRealSystem(
  options: RealClusterOptions & { readonly secrets: LabSecrets; readonly seed: number },
): Promise<RealSystem> {
  const { workDir, images, secrets, seed, signal } = options;
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    // The last that was started first.
    await runAll(stops.splice(0).reverse());
  };
  try {
    const cluster = await startRealCluster(options);
    stops.push(() => cluster.stop());
    const { client, controlPlane, startNode } = cluster;
    const { server, caPem } = controlPlane.adminKubeconfig;
    const credentialFile = join(workDir, "cluster-credential");
    await writeFile(credentialFile, await createAdminToken(client, signal), { mode: 0o600 });

    const gcp = new FakeGcp();
    await gcp.start();
    stops.push(() => gcp.stop());
    gcp.addCluster({ ...CLUSTER, endpoint: new URL(server).host, caPem });
    const { agentToken, webhookSecret } = secrets;
    const buildkite = new FakeBuildkite({ agentToken, webhookSecret, seed, host: machineAddress });
    await buildkite.start();
    stops.push(() => buildkite.stop());
    const git = new GitServer();
    await git.start(machineAddress);
    stops.push(() => git.stop());
    const commit = git.add("web", repositoryFiles(images.base.reference));

    // What the dispatcher needs and no more: a build's image there would hide that a build ran on the wrong node.
    const systemImages = [images.pause, images.node];
    const systemNode = await startNode({ name: "system-1", images: systemImages });
    return { client, startNode, systemNode, credentialFile, gcp, buildkite, git, commit, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
