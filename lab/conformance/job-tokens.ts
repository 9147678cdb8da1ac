import { JOB_TOKEN_PATH } from "../../components/contract";
import type { JobTokenSource } from "../../components/job-token-source";
import { jobTokensCertificate } from "../../components/job-tokens-certificate";
import { BuildkiteHealth } from "../../dispatcher/buildkite/health";
import { StacksClient } from "../../dispatcher/buildkite/stacks-client";
import { StacksConnection } from "../../dispatcher/buildkite/stacks-connection";
import { JobTokensPort } from "../../dispatcher/job-tokens/port";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";
import type { FakeBuildkite } from "../buildkite";
import type { RealCluster } from "../real-cluster";
import { machineAddress } from "../real-node";
import { NAMESPACE } from "./template";

/** In the namespaces of the run, where nobody else listens. */
const PORT = 8443;

/** Where pods of a template with job acquisition tokens fetch theirs: as a stack's, but by address, for there is no DNS here. */
export const JOB_TOKEN_SOURCE: JobTokenSource = {
  url: `https://${machineAddress}:${PORT}${JOB_TOKEN_PATH}`,
  caConfigMap: "buildkite-job-tokens",
};

/**
 * The dispatcher's port for job acquisition tokens, without the rest of it and with an administrator's rights (its own are
 * in tests/dispatcher).
 *
 * @returns what ends it.
 */
export async function startJobTokens(
  { client, controlPlane }: RealCluster,
  buildkite: FakeBuildkite,
  agentToken: string,
): Promise<() => Promise<void>> {
  const { server, caPem, clientCertPem, clientKeyPem } = controlPlane.adminKubeconfig;
  const { certificate, key } = jobTokensCertificate(agentToken, machineAddress);
  await client.request("POST", `/api/v1/namespaces/${NAMESPACE}/configmaps`, {
    body: { metadata: { name: JOB_TOKEN_SOURCE.caConfigMap }, data: { "ca.crt": certificate } },
  });
  const stopping = new AbortController();
  const log = createLog(() => undefined);
  const connection = new StacksConnection({
    ...{ endpoint: `${buildkite.url}/v3`, tokens: () => [agentToken], userAgent: "conformance" },
    ...{ health: new BuildkiteHealth(log), onExchange: () => undefined },
  });
  const queues = ["queue-1"];
  const stacks = new StacksClient({ connection, stackKey: "conformance", queues, version: "conformance" });
  const port = new JobTokensPort({
    listener: { port: PORT, tls: () => ({ cert: certificate, key }) },
    listenAddress: machineAddress,
    connection: { server, ca: caPem, clientCert: clientCertPem, clientKey: clientKeyPem },
    ...{ namespace: NAMESPACE, buildkite: { client: stacks }, version: "conformance" },
    ...{ metrics: createMetrics("conformance"), log, signal: stopping.signal },
  });
  await port.listen();
  return async () => {
    stopping.abort();
    await port.close(1000);
    connection.close();
  };
}
