import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { jobTokensCertificate } from "../../components/job-tokens-certificate";
import { parse, readConfiguration } from "../../config";
import { stackKeyOf } from "../../stack/dispatcher-args";
import { registrationsOf } from "../support/mocks";

const GKE = {
  target: "gke",
  maxNodes: "4",
  clusterName: "ci",
  clusterLocation: "europe-west1",
  agentToken: "an-agent-token",
  webhookSecret: "a-webhook-secret-of-the-tests",
};
const LOCAL = {
  target: "local",
  maxNodes: "1",
  kubeconfig: "/some/kubeconfig",
  context: "kind-ci",
  agentToken: "an-agent-token",
  webhookSecret: "a-webhook-secret-of-the-tests",
};

const TLS = jobTokensCertificate("one", "builds.example.com");
const OTHER_TLS = jobTokensCertificate("other", "builds.example.com");

function faults(raw: Record<string, string | undefined>, project: string | undefined = "acme"): string[] {
  const set = Object.entries(raw).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return parse(Object.fromEntries(set), "test", project).faults;
}

describe("the stack configuration", () => {
  it("is typed: numbers, switches and structures come out of Pulumi's texts", () => {
    const queues = JSON.stringify([{ key: "default", default: true, tags: { docker: "true" }, timeoutMinutes: 30 }]);
    const { values } = parse({ ...GKE, spot: "true", diskSizeGb: "50", queues }, "test", "acme");
    assert.equal(values?.maxNodes, 4);
    assert.equal(values.spot, true);
    assert.equal(values.diskSizeGb, 50);
    assert.deepEqual(values.queues?.[0]?.tags, { docker: "true" });
  });

  it("accepts a minimal stack of each target", () => {
    assert.deepEqual(faults(GKE), []);
    assert.deepEqual(faults(LOCAL, undefined), []);
    assert.deepEqual(faults({ ...GKE, jobsPerNode: "24" }), []);
  });

  it("keeps a token of digits a text", () => {
    assert.equal(
      parse({ ...GKE, agentToken: "12345678901234567890" }, "test", "acme").values?.agentToken,
      "12345678901234567890",
    );
  });

  const cases: [string, Record<string, string | undefined>, RegExp][] = [
    ["a missing key", { ...GKE, maxNodes: undefined }, /^maxNodes is missing: set it with: pulumi config set maxNodes/],
    [
      "a missing secret",
      { ...GKE, agentToken: undefined },
      /^agentToken is missing: set it with: pulumi config set --secret agentToken$/,
    ],
    [
      "an endpoint that would carry the token in clear",
      { ...GKE, buildkiteEndpoint: "http://agent.buildkite.com/v3" },
      /^buildkiteEndpoint must be an https:\/\/ address .*, got "http:\/\/agent\.buildkite\.com\/v3"/,
    ],
    ["a list every second", { ...GKE, reconcileSeconds: "1" }, /^reconcileSeconds must be 2 or more, got 1/],
    [
      "a cap where nothing is capped",
      { ...GKE, exposure: "load-balancer", internal: "true", webhookOnly: "true", jobsPerNode: "4" },
      /^jobsPerNode is for a dispatcher that asks Buildkite, but webhookOnly is true: remove jobsPerNode or change the other/,
    ],
    [
      "webhooks only, where none arrives",
      { ...GKE, webhookOnly: "true" },
      /^webhookOnly needs webhooks, but exposure is none, so that none arrives: set exposure/,
    ],
    ["a wrong type", { ...GKE, maxNodes: "many" }, /^maxNodes must be a whole number, got "many"/],
    ["half a node", { ...GKE, maxNodes: "1.5" }, /^maxNodes must be a whole number, got 1\.5/],
    ["a value that is too small", { ...GKE, maxNodes: "0" }, /^maxNodes must be 1 or more, got 0/],
    ["a value that is too large", { ...GKE, maxNodes: "1001" }, /^maxNodes must be 1000 or less, got 1001/],
    ["a value that is not offered", { ...GKE, target: "eks" }, /^target must be one of gke, local, got "eks"/],
    [
      "more builds on a node than it has pods for",
      { ...GKE, jobsPerNode: "25" },
      /^jobsPerNode must be 24 or less, got 25/,
    ],
    ["an unknown key", { ...GKE, maxNoods: "3" }, /^maxNoods is not a key of this program; did you mean maxNodes\?/],
    [
      "an unknown key of a queue",
      { ...GKE, queues: '[{"key":"a","timoutMinutes":3}]' },
      /^queues\[0\]\.timoutMinutes is not a key of this program; did you mean timeoutMinutes\? Remove it with: pulumi config rm --path 'queues\[0\]\.timoutMinutes'$/,
    ],
    ["a queue key with a space", { ...GKE, queues: '[{"key":"a b"}]' }, /^queues\[0\]\.key must be 1 to 100 letters/],
    [
      "a number of a queue that is too small",
      { ...GKE, queues: '[{"key":"a","timeoutMinutes":0}]' },
      /^queues\[0\]\.timeoutMinutes must be 1 or more, got 0: set it with: pulumi config set --path 'queues\[0\]\.timeoutMinutes' <value>$/,
    ],
    [
      "a queue without its key",
      { ...GKE, queues: '[{"key":"a"},{"default":true}]' },
      /^queues\[1\]\.key is missing: set it with: pulumi config set --type string --path 'queues\[1\]\.key' <value>$/,
    ],
    [
      "a tag that is no text",
      { ...GKE, queues: '[{"key":"a","tags":{"docker":true}}]' },
      /^queues\[0\]\.tags\.docker must be a text, got true: set it with: pulumi config set --type string --path 'queues\[0\]\.tags\.docker' <value>$/,
    ],
    [
      "tags of a queue that are no map",
      { ...GKE, queues: '[{"key":"a","tags":"docker"}]' },
      /^queues\[0\]\.tags must be a map of keys, got "docker": write it into the stack file; no command/,
    ],
    [
      "a cluster that is none",
      { ...GKE, queues: '[{"key":"a","clusterId":"My cluster"}]' },
      /^queues\[0\]\.clusterId must be a lower-case UUID, got "My cluster": set it with: pulumi config set --path 'queues\[0\]\.clusterId'/,
    ],
    [
      "a cluster in capitals",
      { ...GKE, queues: '[{"key":"a","clusterId":"42F1A7DA-812D-4430-93D8-1CC7C33A6BCF"}]' },
      /^queues\[0\]\.clusterId must be a lower-case UUID, got "42F1A7DA-/,
    ],
    [
      "an address pool that is no network",
      { ...GKE, queues: '[{"key":"a","defaultAddressPools":[{"base":"999.1.1.1/99","size":24}]}]' },
      /^queues\[0\]\.defaultAddressPools\[0\]\.base must be an IPv4 network .*, got "999\.1\.1\.1\/99": set it with: pulumi config set/,
    ],
    [
      "networks that are larger than their pool",
      { ...GKE, queues: '[{"key":"a","defaultAddressPools":[{"base":"10.200.0.0/16","size":12}]}]' },
      /^queues\[0\]\.defaultAddressPools\[0\]\.size must be a whole number from 16 to 30 .*, got 12: set it with: pulumi config set --path/,
    ],
    [
      "a size that is no quantity",
      { ...GKE, queues: '[{"key":"a","dockerGraphSizeLimit":"80 GB"}]' },
      /^queues\[0\]\.dockerGraphSizeLimit must be a Kubernetes quantity .*, got "80 GB": set it with: pulumi config set --path/,
    ],
    [
      "memory that is no quantity",
      {
        ...GKE,
        queues: '[{"key":"a","resources":{"agent":{"cpu":"1","memory":"lots"},"dind":{"cpu":"1","memory":"1Gi"}}}]',
      },
      /^queues\[0\]\.resources\.agent\.memory must be a Kubernetes quantity .*, got "lots"/,
    ],
    ["a list that is none", { ...GKE, queues: "default" }, /^queues must be a list, got "default"/],
    ["a queue named twice", { ...GKE, queues: '[{"key":"a"},{"key":"a"}]' }, /^queues holds a twice/],
    [
      "two default queues",
      { ...GKE, queues: '[{"key":"a","default":true},{"key":"b","default":true}]' },
      /^queues holds more than one with default: true/,
    ],
    [
      "no cluster",
      { ...GKE, clusterName: undefined },
      /^clusterName and clusterLocation \(or clusterStack\) are missing/,
    ],
    [
      "a cluster named in two ways",
      { ...GKE, clusterStack: "acme/gke/dev" },
      /^clusterStack and clusterName\/clusterLocation are both set/,
    ],
    ["a local key on GKE", { ...GKE, context: "kind-ci" }, /^context is for target local, but target is gke/],
    ["a GKE key on a local cluster", { ...LOCAL, spot: "true" }, /^spot is for target gke, but target is local/],
    ["no context", { ...LOCAL, context: undefined }, /^context is missing: target local needs it/],
    [
      "a GKE context as a local one",
      { ...LOCAL, context: "gke_a_b_c" },
      /^context must not be a GKE cluster's with target local/,
    ],
    [
      "an ingress on a local cluster",
      { ...LOCAL, exposure: "ingress", host: "a.example.com" },
      /^exposure ingress needs target gke/,
    ],
    ["an ingress without host", { ...GKE, exposure: "ingress" }, /^host is missing: exposure ingress needs/],
    [
      "a host without ingress",
      { ...GKE, host: "a.example.com" },
      /^host is for exposure ingress, but exposure is none/,
    ],
    ["a host that is none", { ...GKE, exposure: "ingress", host: "nowhere" }, /^host must be a DNS name/],
    [
      "a public load balancer in clear",
      { ...GKE, exposure: "load-balancer" },
      /^exposure load-balancer needs internal: true or tlsCertificate and tlsKey/,
    ],
    ["a machine type with a typo", { ...GKE, machineType: "E2 standard" }, /^machineType must be a Compute Engine/],
    [
      "a machine type whose nodes take no build",
      { ...GKE, machineType: "t2a-standard-4" },
      /^machineType must be an x86 machine type .* kubernetes\.io\/arch=arm64:NoSchedule.*, got "t2a-standard-4": set it with: pulumi config set machineType <value>$/,
    ],
    ["a zone that is a region", { ...GKE, zones: '["europe-west1"]' }, /^zones\[0\] must be a zone/],
    [
      "an account id that is too short",
      { ...GKE, nodeServiceAccountId: "abc" },
      /^nodeServiceAccountId must be 6 to 30/,
    ],
    [
      "half of a certificate",
      { ...GKE, exposure: "load-balancer", tlsCertificate: "pem" },
      /^tlsCertificate and tlsKey belong together/,
    ],
    [
      "a certificate with another one's key",
      { ...GKE, exposure: "load-balancer", tlsCertificate: TLS.certificate, tlsKey: OTHER_TLS.key },
      /^tlsKey must be the key of the certificate that stands first in .*: set both again, with: pulumi config set tlsCertificate < tls\.crt and pulumi config set --secret tlsKey < tls\.key$/,
    ],
    [
      "a certificate that is none",
      { ...GKE, exposure: "load-balancer", tlsCertificate: "pem", tlsKey: OTHER_TLS.key },
      /^tlsCertificate must be a PEM certificate with its chain/,
    ],
    [
      "a quota below what may run, which would hold Jobs up instead of jobs at Buildkite",
      { ...GKE, maxNodes: "600", jobsPerNode: "10" },
      /^jobQuota is 5000 \(the default\), but maxNodes 600 × jobsPerNode 10 allow 6000 Jobs at one time: .* set jobQuota to 6000 or more, .* or lower maxNodes or jobsPerNode$/,
    ],
    [
      "a small quota of one's own",
      { ...GKE, maxNodes: "20", jobQuota: "19" },
      /^jobQuota is 19, but maxNodes 20 × jobsPerNode 1 allow 20 Jobs at one time/,
    ],
    [
      "two kinds of git credentials",
      { ...GKE, gitSshKey: "k", gitHttpsCredentials: "c" },
      /^gitHttpsCredentials and gitSshKey are both set/,
    ],
    [
      "labels for a sidecar that is given nothing",
      { ...GKE, dashboardLabels: '{"grafana_dashboard":"1"}' },
      /^dashboardLabels is for monitoring true, but monitoring is false: remove dashboardLabels or change the other/,
    ],
    [
      "a label that Kubernetes refuses",
      { ...GKE, monitoring: "true", alertRulesLabels: '{"prometheus_rule":"yes, please"}' },
      /^alertRulesLabels\.prometheus_rule must be a Kubernetes label value, got "yes, please"/,
    ],
    [
      "the value of a label with dots",
      { ...GKE, monitoring: "true", dashboardLabels: '{"acme.com/board":"yes, please"}' },
      /^dashboardLabels\["acme\.com\/board"\] must be .*: set it with: pulumi config set --path 'dashboardLabels\["acme\.com\/board"\]' <value>$/,
    ],
    [
      "a label whose key Kubernetes refuses",
      { ...GKE, monitoring: "true", dashboardLabels: '{"it\'s mine":"1"}' },
      /^dashboardLabels\["it's mine"\] is not allowed as a key: it must be a Kubernetes label key; remove it with: pulumi config rm --path 'dashboardLabels\["it'\\''s mine"\]'$/,
    ],
    [
      "alert rules among the builds",
      { ...GKE, monitoring: "true", agentsNamespace: "ci", monitoringNamespace: "ci" },
      /^monitoringNamespace and agentsNamespace are both ci/,
    ],
    [
      "one namespace for everything",
      { ...GKE, agentsNamespace: "ci", dispatcherNamespace: "ci" },
      /are both ci: build pods are privileged/,
    ],
  ];
  for (const [what, raw, message] of cases) {
    it(`refuses ${what}, in words that name key, value and fix`, () => {
      const found = faults(raw);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", message);
    });
  }

  it("takes a certificate with its own key", () => {
    const tls = { tlsCertificate: TLS.certificate, tlsKey: TLS.key };
    assert.deepEqual(faults({ ...GKE, exposure: "load-balancer", ...tls }), []);
  });

  it("takes a quota that holds what may run, and any where nothing limits the Jobs but the quota", () => {
    assert.deepEqual(faults({ ...GKE, maxNodes: "20", jobQuota: "20" }), []);
    assert.deepEqual(faults({ ...GKE, maxNodes: "500", jobsPerNode: "10" }), []);
    const only = { exposure: "load-balancer", internal: "true", webhookOnly: "true" };
    assert.deepEqual(faults({ ...GKE, ...only, maxNodes: "20", jobQuota: "10" }), []);
  });

  it("takes the sizes of a queue's volumes", () => {
    const queues = '[{"key":"a","dockerGraphSizeLimit":"80Gi","buildsSizeLimit":"30Gi"}]';
    assert.deepEqual(faults({ ...GKE, queues }), []);
  });

  it("takes a Buildkite cluster by its UUID", () => {
    const queues = '[{"key":"a","clusterId":"42f1a7da-812d-4430-93d8-1cc7c33a6bcf"}]';
    assert.deepEqual(faults({ ...GKE, queues }), []);
  });

  it("allows a GKE context where that is said", () => {
    assert.deepEqual(faults({ ...LOCAL, context: "gke_a_b_c", allowGkeContext: "true" }, undefined), []);
  });

  it("takes monitoring with all that belongs to it", () => {
    const labels = { alertRulesLabels: '{"rules":"1"}', dashboardLabels: '{"boards":""}' };
    assert.deepEqual(faults({ ...GKE, monitoring: "true", monitoringNamespace: "monitoring", ...labels }), []);
  });

  it("asks for the project", () => {
    assert.match(parse(GKE, "test", undefined).faults.join(), /gcp:project is missing/);
  });

  it("never shows a secret's value", () => {
    const found = faults({ ...GKE, webhookSecret: "short-secret" });
    assert.match(found[0] ?? "", /^webhookSecret must be 16 or more characters long, got a secret that is not shown/);
    assert.doesNotMatch(found.join(), /short-secret/);
  });

  it("refuses a secret where it would end in clear in the state, and says where it belongs", () => {
    const queues = '[{"key":"a","env":{"NPM_TOKEN":"npm-token-of-the-tests"}}]';
    const { values, faults: found } = parse({ ...GKE, queues }, "test", "acme", ["queues", "agentToken"]);
    assert.equal(values, undefined);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(
      found[0] ?? "",
      /^queues holds a value that was set with --secret, but .* in clear in the state: put it into a Secret of the agents' namespace and name that in the queue's secretEnv; .* --plaintext --path/,
    );
    assert.doesNotMatch(found.join(), /npm-token-of-the-tests/);
  });

  it("refuses a key that was set as a secret and is none", () => {
    const found = parse({ ...GKE, zones: '["europe-west1-b"]' }, "test", "acme", ["zones"]).faults;
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(
      found[0] ?? "",
      /^zones was set with --secret, but .* in clear in the state: .* --plaintext zones <value>$/,
    );
  });

  it("takes what the world may see anyway also where it was set as a secret", () => {
    assert.deepEqual(
      parse({ ...GKE, gitKnownHosts: "github.com ssh-ed25519 AAAA" }, "test", "acme", ["gitKnownHosts"]).faults,
      [],
    );
    const found = parse({ ...GKE, tlsCertificate: "-----BEGIN" }, "test", "acme", ["tlsCertificate"]).faults;
    assert.doesNotMatch(found.join("\n"), /--secret, but/);
  });

  it("shows nothing of a value that was set as a secret, whatever else is wrong with it", () => {
    const queues = '[{"key":"a","env":{"PIN":12345678}},{"key":"hush-hush hush"}]';
    const raw = { ...GKE, queues, maxNodes: "0", context: "hush-hush" };
    const found = parse(raw, "test", "acme", ["queues", "context", "nowhere"]).faults;
    assert.doesNotMatch(found.join("\n"), /12345678|hush-hush/);
    assert.deepEqual(
      found.map((fault) => fault.split(" ")[0]),
      ["queues", "context", "maxNodes"],
    );
  });

  it("says of a key that it does not know only that, secret or not", () => {
    const found = parse({ ...GKE, maxNoods: "3" }, "test", "acme", ["maxNoods"]).faults;
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0] ?? "", /^maxNoods is not a key/);
  });

  it("lists every fault at once", () => {
    assert.equal(faults({ ...GKE, maxNodes: "0", spot: "maybe", targett: "x" }).length, 3);
  });
});

describe("the configuration as Pulumi hands it over", () => {
  const PROJECT = "buildkite-scale-to-zero";

  /** What is read where the keys `secrets` are encrypted in the stack file, wholly or in part. */
  async function read(raw: Record<string, string>, secrets: string[]): Promise<ReturnType<typeof readConfiguration>> {
    const full = (keys: string[]) => keys.map((key) => `${PROJECT}:${key}`);
    const values = Object.fromEntries(Object.entries(raw).map(([key, value]) => [`${PROJECT}:${key}`, value]));
    await registrationsOf(() => undefined);
    pulumi.runtime.setAllConfig({ ...values, "gcp:project": "acme" }, full(secrets));
    try {
      return readConfiguration();
    } finally {
      pulumi.runtime.setAllConfig({}, []);
    }
  }

  it("is read with its secrets as Outputs", async () => {
    const { agentToken, maxNodes } = await read(GKE, ["agentToken", "webhookSecret"]);
    assert.equal(maxNodes, 4);
    assert.equal(await pulumi.isSecret(agentToken), true);
  });

  it("is refused where a secret stands inside another key", async () => {
    const queues = '[{"key":"a","env":{"NPM_TOKEN":"npm-token-of-the-tests"}}]';
    await assert.rejects(read({ ...GKE, queues }, ["agentToken", "webhookSecret", "queues"]), (error: Error) => {
      assert.match(error.message, /has a fault:\n {2}- queues holds a value that was set with --secret/);
      assert.doesNotMatch(error.message, /npm-token/);
      return true;
    });
  });
});

describe("the stack key", () => {
  const dev = { stack: "dev", project: "acme", clusterName: "ci", clusterLocation: "europe-west1" };

  it("is the same every time, and another on another cluster", () => {
    assert.equal(stackKeyOf(dev), stackKeyOf({ ...dev }));
    assert.match(stackKeyOf(dev), /^scale-to-zero-dev-[0-9a-f]{8}$/);
    assert.notEqual(stackKeyOf(dev), stackKeyOf({ ...dev, clusterName: "other" }));
  });

  it("is one that Buildkite takes, whatever the stack is called", () => {
    assert.match(stackKeyOf({ ...dev, stack: "a.b/c ".repeat(30) }), /^[A-Za-z0-9_-]{1,80}$/);
    assert.notEqual(stackKeyOf({ ...dev, stack: "a.b" }), stackKeyOf({ ...dev, stack: "a-b" }));
  });
});
