import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { jobTokensCertificate } from "../../components/job-tokens-certificate";
import {
  startDispatcherProcess,
  type CertificatePair,
  type DispatcherProcess,
} from "../../lab/bench/dispatcher-process";
import { DispatcherBench } from "../support/dispatchers";
import { until } from "../support/until";
import { SECRET } from "../support/webhooks";

describe("the dispatcher's certificates", function () {
  this.timeout(120_000);
  let bench: DispatcherBench;
  let dispatcher: DispatcherProcess;

  const [webhooks, tokens, nextWebhooks, nextTokens] = ["webhooks", "tokens", "webhooks, next", "tokens, next"].map(
    (seed): CertificatePair => {
      const { certificate, key } = jobTokensCertificate(`bkct_of_the_certificate_tests ${seed}`, "127.0.0.1");
      return { cert: certificate, key };
    },
  ) as [CertificatePair, CertificatePair, CertificatePair, CertificatePair];

  before(async () => {
    bench = await DispatcherBench.create("certificates");
    const { server, caPem } = bench.controlPlane.adminKubeconfig;
    dispatcher = await startDispatcherProcess({
      // Nothing answers there: no job is needed for a handshake.
      settings: bench.reconcileSettings({
        endpoint: "http://127.0.0.1:1/v3",
        tokens: [],
        inFlight: 1,
        jobTokens: tokens,
      }),
      secrets: { current: SECRET },
      agentTokens: { current: "bkct_of_the_certificate_tests" },
      ...{ server, caPem, token: bench.agents.token, tls: webhooks, jobTokensTls: tokens },
    });
  });

  after(async () => {
    await dispatcher.remove();
    await bench.remove();
  });

  /** Which of the certificates a port shows in a new connection. */
  const shown = (port: number | undefined): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port: port ?? 0, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        const print = socket.getPeerX509Certificate()?.fingerprint256;
        const names = { webhooks, tokens, nextWebhooks, nextTokens };
        socket.destroy();
        resolve(
          Object.entries(names).find(([, { cert }]) => new X509Certificate(cert).fingerprint256 === print)?.[0] ?? "?",
        );
      });
      socket.once("error", reject);
    });
  const both = async (): Promise<string[]> => [
    await shown(Number(new URL(dispatcher.url).port)),
    await shown(dispatcher.jobTokensPort),
  ];

  it("are taken up anew without a restart, each port's alone", async () => {
    assert.deepEqual(await both(), ["webhooks", "tokens"]);
    await dispatcher.changeCertificate("tls", nextWebhooks);
    await until("the webhook port's next one", async () => (await both())[0] === "nextWebhooks", 10);
    assert.deepEqual(await both(), ["nextWebhooks", "tokens"]);
    await dispatcher.changeCertificate("job-tokens-tls", nextTokens);
    await until("the token port's next one", async () => (await both())[1] === "nextTokens", 10);
    assert.deepEqual(await both(), ["nextWebhooks", "nextTokens"]);
  });

  it("stay where the new one has another key, and the log says so", async () => {
    const before = await both();
    await dispatcher.changeCertificate("tls", { cert: webhooks.cert, key: tokens.key });
    const line = await until(
      "a refusal",
      () => dispatcher.log.find(({ event }) => event.startsWith("new certificate refused")),
      10,
    );
    assert.match(String(line["error"]), /tls\.key in .* is not the key of tls\.crt/);
    assert.doesNotMatch(JSON.stringify(dispatcher.log), /PRIVATE KEY/);
    assert.deepEqual(await both(), before);
  });
});
