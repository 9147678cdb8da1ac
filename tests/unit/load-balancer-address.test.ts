import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { WebhookDispatcher } from "../../components";

/** What the SDK knows of an Output beside its declared members. */
interface Inner {
  readonly isKnown: Promise<boolean>;
  promise(): Promise<string>;
}

/** An Output's value; undefined where a preview shows it as not known. */
async function valueOf(output: pulumi.Output<string> | undefined): Promise<string | undefined> {
  const inner = output as unknown as Inner;
  return (await inner.isKnown) ? await inner.promise() : undefined;
}

/** Address and URL that a dispatcher behind an internal load balancer gives out, where the Service has this status. */
async function given(status: unknown, preview: boolean): Promise<(string | undefined)[]> {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => ({
        id: `${name}-id`,
        state: { ...(inputs as object), ...(type === "kubernetes:core/v1:Service" ? { status } : {}) },
      }),
      call: () => ({}),
    },
    "buildkite-scale-to-zero",
    "test",
    preview,
  );
  const { webhookAddress, webhookUrl } = new WebhookDispatcher("dispatcher", {
    namespace: "ci-dispatcher",
    agentsNamespace: "ci-agents",
    queues: [{ key: "default", templateName: "default" }],
    webhookSecret: "a-webhook-secret-of-the-tests",
    exposure: { type: "load-balancer", internal: true },
  });
  return [await valueOf(webhookAddress), await valueOf(webhookUrl)];
}

describe("the address of the dispatcher's load balancer", () => {
  const none: [string, unknown][] = [
    // What the API server answers to the dry run that gives an existing Service type LoadBalancer.
    ["an empty list of addresses left out", { loadBalancer: {} }],
    ["an empty list of addresses", { loadBalancer: { ingress: [] } }],
    ["no status", undefined],
  ];
  for (const [what, status] of none) {
    it(`is not known yet at a preview that finds ${what}`, async () => {
      assert.deepEqual(await given(status, true), [undefined, undefined]);
    });

    it(`says after an up that finds ${what} that there is none yet, and how to read it later`, async () => {
      const words = "(no address yet: pulumi up --refresh reads it)";
      assert.deepEqual(await given(status, false), [words, words]);
    });
  }

  it("is the load balancer's, by number or by name, at a preview of what is there, too", async () => {
    for (const preview of [true, false]) {
      assert.deepEqual(await given({ loadBalancer: { ingress: [{ ip: "10.0.0.9" }] } }, preview), [
        "10.0.0.9",
        "http://10.0.0.9/webhook",
      ]);
    }
    assert.deepEqual(await given({ loadBalancer: { ingress: [{ hostname: "lb.example.com" }] } }, false), [
      "lb.example.com",
      "http://lb.example.com/webhook",
    ]);
  });
});
