import { existsSync, readFileSync } from "node:fs";
import * as gcp from "@pulumi/gcp";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import type { Configuration } from "../config";
import { assertUsable, type ClusterLookup } from "./gke-cluster-rules";

/** The cluster that everything goes to. */
export interface TargetCluster {
  /** Provider with an explicit kubeconfig: never whatever context happens to be current. */
  readonly provider: k8s.Provider;
  /** Where the node pool goes; absent for target local. */
  readonly gke?: {
    readonly name: pulumi.Output<string>;
    readonly location: pulumi.Output<string>;
    readonly project: pulumi.Output<string>;
  };
}

/** The cluster named by the configuration, looked up and checked where that is possible at preview. */
export function targetCluster(config: Configuration): TargetCluster {
  return config.target === "gke" ? gkeCluster(config) : localCluster(config);
}

function gkeCluster(config: Configuration): TargetCluster {
  const { project, clusterStack } = config;
  const reference = clusterStack === undefined ? undefined : new pulumi.StackReference(clusterStack);
  const name = pulumi.output(config.clusterName ?? requireText(reference, "clusterName"));
  const location = pulumi.output(config.clusterLocation ?? requireText(reference, "clusterLocation"));
  const lookup = pulumi
    .all([name, location])
    .apply(([clusterName, clusterLocation]) => lookUp(project, clusterName, clusterLocation));
  return {
    // The identifier is made of plain configuration: were it unknown or changed at a look-up, every object would be replaced.
    provider: kubernetesProvider(
      `gke:${project}:${clusterStack ?? `${config.clusterLocation ?? ""}/${config.clusterName ?? ""}`}`,
      lookup.apply(kubeconfigOf),
    ),
    // Through the look-up, so that nothing is created at Google for a cluster that was refused.
    gke: {
      name: lookup.apply((cluster) => cluster.name),
      location: lookup.apply(() => location),
      project: lookup.apply(() => project),
    },
  };
}

function requireText(reference: pulumi.StackReference | undefined, output: string): pulumi.Output<string> {
  if (reference === undefined) {
    throw new pulumi.RunError(`${output} is missing: set it with: pulumi config set ${output} <value>`);
  }
  return reference.requireOutput(output).apply((value) => String(value));
}

async function lookUp(project: string, name: string, location: string): Promise<ClusterLookup> {
  const cluster = await gcp.container.getCluster({ name, location, project }).catch((error: unknown) => {
    throw new pulumi.RunError(
      `The GKE cluster ${name} in ${location} of project ${project} could not be looked up. ` +
        `See which there are: gcloud container clusters list --project ${project}\n` +
        `Google said: ${error instanceof Error ? error.message : String(error)}`,
    );
  });
  assertUsable(cluster);
  return cluster;
}

/** A kubeconfig without a secret in it: the credential comes from Google's plugin on the machine that runs pulumi. */
function kubeconfigOf(cluster: ClusterLookup): string {
  const dns = cluster.controlPlaneEndpointsConfigs[0]?.dnsEndpointConfigs[0];
  const byDns = dns?.allowExternalTraffic === true && dns.endpoint !== "";
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: cluster.name,
        cluster: byDns
          ? { server: `https://${dns.endpoint}` }
          : {
              server: `https://${cluster.endpoint}`,
              "certificate-authority-data": cluster.masterAuths[0]?.clusterCaCertificate,
            },
      },
    ],
    users: [
      {
        name: cluster.name,
        user: {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1beta1",
            command: "gke-gcloud-auth-plugin",
            installHint: "Install it with: gcloud components install gke-gcloud-auth-plugin",
            interactiveMode: "Never",
            provideClusterInfo: true,
          },
        },
      },
    ],
    contexts: [{ name: cluster.name, context: { cluster: cluster.name, user: cluster.name } }],
    "current-context": cluster.name,
  });
}

function localCluster(config: Configuration): TargetCluster {
  const { kubeconfig = "", context = "" } = config;
  if (!existsSync(kubeconfig)) {
    throw new pulumi.RunError(
      `kubeconfig must be the path of a file, got ${JSON.stringify(kubeconfig)}, which does not exist: set it with: pulumi config set kubeconfig <path>`,
    );
  }
  const known = contextsOf(kubeconfig);
  if (!known.includes(context)) {
    // The provider itself would call the cluster unreachable and preview as if nothing were wrong.
    throw new pulumi.RunError(
      `context must be one of ${kubeconfig}, got ${JSON.stringify(context)}; there ${known.length === 0 ? "is none" : `are: ${known.join(", ")}`}. Set it with: pulumi config set context <name>`,
    );
  }
  return { provider: kubernetesProvider(`local:${context}`, kubeconfig, context) };
}

function contextsOf(kubeconfig: string): string[] {
  const document = parse(readFileSync(kubeconfig, "utf8")) as { contexts?: { name: string }[] } | null;
  return (document?.contexts ?? []).map(({ name }) => name);
}

function kubernetesProvider(
  clusterIdentifier: string,
  kubeconfig: pulumi.Input<string>,
  context?: string,
): k8s.Provider {
  return new k8s.Provider("cluster", {
    kubeconfig,
    clusterIdentifier,
    context,
    // What pods refer to by name is changed in place; a replaced Secret would strand pods that wait for a node.
    enableSecretMutable: true,
    enableConfigMapMutable: true,
  });
}
