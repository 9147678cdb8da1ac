import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { Configuration } from "../../config";
import { nextStepsFor } from "../../stack/next-steps";

const CONFIG: Configuration = {
  target: "gke",
  ...{ stack: "test", project: "acme", maxNodes: 4, queues: [{ key: "default" }, { key: "docker" }] },
  ...{ dispatcherNamespace: "ci-dispatcher", agentsNamespace: "ci-agents" },
  agentToken: pulumi.secret("an-agent-token"),
  webhookSecret: pulumi.secret("a-webhook-secret"),
};

/** @param url the output `webhookUrl`; none without exposure. */
function nextSteps(config: Partial<Configuration>, url?: string): Promise<string> {
  const dispatcher = {
    serviceName: pulumi.output("dispatcher"),
    namespace: pulumi.output("ci-dispatcher"),
    ...(url === undefined ? {} : { webhookUrl: pulumi.output(url), webhookAddress: pulumi.output("203.0.113.1") }),
  };
  return new Promise((resolve) => {
    nextStepsFor({ ...CONFIG, ...config }, dispatcher).apply(resolve);
  });
}

describe("the next steps after pulumi up", () => {
  it("say of a load balancer with a certificate that Buildkite needs the certificate's name, not the address", async () => {
    const tls = { exposure: "load-balancer", tlsCertificate: "pem", tlsKey: pulumi.secret("pem") } as const;
    const steps = await nextSteps(tls, "https://203.0.113.1/webhook");
    assert.match(steps, /^Point the name that tlsCertificate is for at 203\.0\.113\.1\. At Buildkite, /);
    assert.match(steps, / URL https:\/\/<that name>\/webhook, /);
    assert.doesNotMatch(steps, /https:\/\/203/);
  });

  it("have the address of a load balancer inside the network, and the name of an ingress", async () => {
    const internal = await nextSteps({ exposure: "load-balancer", internal: true }, "http://203.0.113.1/webhook");
    assert.match(internal, /^At Buildkite, .* URL http:\/\/203\.0\.113\.1\/webhook, event job\.scheduled, /);
    const host = "builds.example.com";
    const ingress = await nextSteps({ exposure: "ingress", host }, `https://${host}/webhook`);
    assert.match(
      ingress,
      /^Point builds\.example\.com at 203\.0\.113\.1\. .* URL https:\/\/builds\.example\.com\/webhook, /,
    );
  });

  it("say how it works where nothing is exposed", async () => {
    assert.match(
      await nextSteps({}),
      /^Nothing is exposed\. .* Buildkite is asked every 10 s, .* Served queues: default, docker\.$/,
    );
  });
});
