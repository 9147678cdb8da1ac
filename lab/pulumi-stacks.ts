import { join } from "node:path";
import { CLUSTER } from "./cluster";
import { PulumiProject } from "./pulumi/project";
import type { LabSecrets } from "./secrets";
import type { LabSystem } from "./system";

/** How a committed stack file becomes a stack of the lab. */
export interface StackRequest {
  readonly checkout: string;
  readonly stack: string;
  readonly workDir: string;
  readonly cli: string;
  readonly kubernetesPlugin: "double" | "real";
  readonly maxNodes?: number;
  /** Further plain configuration, by full key. */
  readonly config?: Readonly<Record<string, string>>;
  readonly secrets: LabSecrets;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** The committed stack file, with nothing set but project, cluster, secrets, Buildkite's address, room and what the request says. */
export function createStack(
  system: Pick<LabSystem, "gcp" | "credentialFile" | "buildkite">,
  request: StackRequest,
): Promise<PulumiProject> {
  const { checkout, stack, workDir, cli, kubernetesPlugin, maxNodes, secrets, signal, print } = request;
  return PulumiProject.create({
    source: checkout,
    stack,
    workDir: join(workDir, `pulumi-${stack}`),
    pulumi: cli,
    env: { LAB_GCP_URL: system.gcp.url, LAB_CLUSTER_CREDENTIAL: system.credentialFile },
    config: {
      "gcp:project": CLUSTER.project,
      "buildkite-scale-to-zero:clusterName": CLUSTER.name,
      "buildkite-scale-to-zero:clusterLocation": CLUSTER.location,
      "buildkite-scale-to-zero:buildkiteEndpoint": `${system.buildkite.url}/v3`,
      // The nodes are the bound that the lab looks at: several of its builds fit on one.
      "buildkite-scale-to-zero:jobsPerNode": "8",
      ...(maxNodes === undefined ? {} : { "buildkite-scale-to-zero:maxNodes": String(maxNodes) }),
      ...request.config,
    },
    secrets: {
      "buildkite-scale-to-zero:agentToken": secrets.agentToken,
      "buildkite-scale-to-zero:webhookSecret": secrets.webhookSecret,
    },
    kubernetesPlugin,
    // Shared by the stacks: what one has compiled the other need not.
    compileCache: join(workDir, "compile-cache"),
    signal,
    print,
  });
}
