import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane";
import { getParts } from "../../lab/parts";

/**
 * One real control plane for all spec files of a mocha run, started when the first test asks for it and stopped when
 * the run ends. Spec files share it: each uses namespaces and names of its own.
 */
let shared: Promise<{ controlPlane: ControlPlane; workDir: string }> | undefined;
const clients: KubernetesClient[] = [];

/** The shared control plane. */
export async function sharedControlPlane(): Promise<ControlPlane> {
  shared ??= start();
  return (await shared).controlPlane;
}

/** A client with every right, closed at the end of the run. */
export async function administrator(): Promise<KubernetesClient> {
  const { server, caPem, clientCertPem, clientKeyPem } = (await sharedControlPlane()).adminKubeconfig;
  const client = new KubernetesClient({ server, ca: caPem, clientCert: clientCertPem, clientKey: clientKeyPem });
  clients.push(client);
  return client;
}

async function start(): Promise<{ controlPlane: ControlPlane; workDir: string }> {
  const print = (line: string) => process.stdout.write(`    ${line}\n`);
  const parts = await getParts(
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl"],
    {
      print,
    },
  );
  const workDir = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
  return { controlPlane: await startControlPlane({ parts, workDir, print }), workDir };
}

// A root hook: this file is imported at the top of spec files, outside every describe.
after("stop the control plane", async function () {
  this.timeout(30_000);
  for (const client of clients) {
    client.close();
  }
  if (shared !== undefined) {
    const { controlPlane, workDir } = await shared;
    await controlPlane.stop();
    await rm(workDir, { recursive: true, force: true });
  }
});
