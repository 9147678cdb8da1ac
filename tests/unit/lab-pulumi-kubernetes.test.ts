import assert from "node:assert/strict";
import { diffInputs } from "../../lab/pulumi/kubernetes-plugin/diff";
import { checkedInputs, kindOf } from "../../lab/pulumi/kubernetes-plugin/inputs";
import { activeContext, connectionOf } from "../../lab/pulumi/kubernetes-plugin/kubeconfig";
import { checkProviderConfig, diffProviderConfig } from "../../lab/pulumi/kubernetes-plugin/provider-config";
import { refreshedInputs, stateOf } from "../../lab/pulumi/kubernetes-plugin/state";
import { isSecret, secret, UNKNOWN, type Properties } from "../../lab/pulumi/provider-protocol/property-values";

const IMMUTABLE = { enableConfigMapMutable: false, enableSecretMutable: false };
const MUTABLE = { enableConfigMapMutable: true, enableSecretMutable: true };

function object(apiVersion: string, kind: string, fields: Properties, metadata: Properties = {}): Properties {
  return { apiVersion, kind, metadata: { name: "it", namespace: "ns", ...metadata }, ...fields };
}

function check(type: string, news: Properties, olds: Properties = {}, namespace?: string): Properties {
  const randomSeed = new Uint8Array();
  return checkedInputs({ urn: `urn:pulumi:s::p::${type}::it`, type, name: "it", olds, news, randomSeed }, namespace);
}

describe("the kubernetes double: inputs", () => {
  it("makes up a name, marks the object as autonamed and keeps the name", () => {
    const first = check("kubernetes:core/v1:ConfigMap", { data: {} });
    const metadata = first["metadata"] as { name: string; annotations: Record<string, string> };
    assert.match(metadata.name, /^it-[0-9a-f]{8}$/);
    assert.deepEqual(metadata.annotations, { "pulumi.com/autonamed": "true" });
    assert.deepEqual(check("kubernetes:core/v1:ConfigMap", { data: {} }, first), first);
  });

  it("does not keep a name that the program fixed once and then left out", () => {
    const named = object("v1", "ConfigMap", {});
    const { name } = check("kubernetes:core/v1:ConfigMap", {}, named)["metadata"] as { name: string };
    assert.match(name, /^it-[0-9a-f]{8}$/);
  });

  it("puts objects without a namespace where the provider says", () => {
    const metadata = (news: Properties) => check("kubernetes:core/v1:ConfigMap", news, {}, "here")["metadata"];
    assert.equal((metadata({}) as Properties)["namespace"], "here");
    assert.equal((metadata({ metadata: { namespace: "there" } }) as Properties)["namespace"], "there");
  });

  it("leaves metadata alone that is not known yet", () => {
    assert.equal(check("kubernetes:core/v1:ConfigMap", { metadata: UNKNOWN })["metadata"], UNKNOWN);
  });

  it("knows apiVersion and kind from the type", () => {
    assert.deepEqual(kindOf("kubernetes:core/v1:Secret"), { apiVersion: "v1", kind: "Secret" });
    assert.deepEqual(kindOf("kubernetes:apps/v1:Deployment"), { apiVersion: "apps/v1", kind: "Deployment" });
  });

  for (const type of [
    "kubernetes:core/v1:ConfigMapPatch",
    "kubernetes:core/v1:ConfigMapList",
    "kubernetes:helm.sh/v3:Release",
    "kubernetes:yaml/v2:ConfigFile",
  ]) {
    it(`refuses ${type} by name`, () => {
      assert.throws(() => kindOf(type), new RegExp(`does not model .*${type.replaceAll(".", "\\.")}`));
    });
  }

  it("refuses generateName, as the provider does", () => {
    const news = { metadata: { generateName: "it-" } };
    assert.throws(() => check("kubernetes:core/v1:ConfigMap", news), /generateName/);
  });
});

describe("the kubernetes double: what is replaced", () => {
  const cases: [string, Properties, Properties, typeof MUTABLE, string[]][] = [
    [
      "a Deployment's selector",
      object("apps/v1", "Deployment", { spec: { replicas: 1, selector: { matchLabels: { a: "1" } } } }),
      object("apps/v1", "Deployment", { spec: { replicas: 2, selector: { matchLabels: { a: "2" } } } }),
      IMMUTABLE,
      ["spec.selector.matchLabels.a"],
    ],
    [
      "a name",
      object("v1", "ServiceAccount", {}),
      object("v1", "ServiceAccount", {}, { name: "other" }),
      MUTABLE,
      ["metadata.name"],
    ],
    [
      "a ConfigMap's data",
      object("v1", "ConfigMap", { data: { a: "1" } }),
      object("v1", "ConfigMap", { data: { a: "2" } }),
      IMMUTABLE,
      ["data.a"],
    ],
    [
      "an immutable ConfigMap's data, whatever the provider allows",
      object("v1", "ConfigMap", { data: { a: "1" }, immutable: true }),
      object("v1", "ConfigMap", { data: { a: "2" }, immutable: true }),
      MUTABLE,
      ["data.a"],
    ],
    [
      "a Secret's type, whatever the provider allows",
      object("v1", "Secret", { type: "Opaque" }),
      object("v1", "Secret", { type: "example.com/other" }),
      MUTABLE,
      ["type"],
    ],
    [
      "a RoleBinding's role",
      object("rbac.authorization.k8s.io/v1", "RoleBinding", { roleRef: { name: "a" } }),
      object("rbac.authorization.k8s.io/v1", "RoleBinding", { roleRef: { name: "b" } }),
      MUTABLE,
      ["roleRef.name"],
    ],
  ];
  for (const [what, olds, news, settings, replaces] of cases) {
    it(what, () => {
      assert.deepEqual(diffInputs(olds, news, settings).replaces, replaces);
    });
  }

  it("changes data in place where the provider allows it", () => {
    for (const [kind, field] of [
      ["ConfigMap", "data"],
      ["Secret", "stringData"],
    ] as const) {
      const [olds, news] = ["1", "2"].map((value) => object("v1", kind, { [field]: { a: value } }));
      const result = diffInputs(olds ?? {}, news ?? {}, MUTABLE);
      assert.deepEqual([[...result.differences.keys()], result.replaces], [[`${field}.a`], []]);
    }
  });

  it("takes no namespace and `default` for the same place", () => {
    const olds = object("v1", "ConfigMap", {}, { namespace: "default" });
    const news = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "it" } };
    assert.equal(diffInputs(olds, news, IMMUTABLE).differences.size, 0);
  });

  it("deletes first where the name is fixed, and only there", () => {
    const replace = (metadata: Properties) => {
      const [olds, news] = ["1", "2"].map((value) => object("v1", "ConfigMap", { data: { a: value } }, metadata));
      return diffInputs(olds ?? {}, news ?? {}, IMMUTABLE).deleteBeforeReplace;
    };
    assert.equal(replace({}), true);
    assert.equal(replace({ annotations: { "pulumi.com/autonamed": "true" } }), false);
  });
});

describe("the kubernetes double: state and refresh", () => {
  const inputs = object("v1", "PodTemplate", { template: { cpu: "1000m", image: "a" } });
  const recorded = object("v1", "PodTemplate", { template: { cpu: "1", image: "a", added: true } });

  it("keeps the program's spelling of what nobody changed", () => {
    const live = { ...recorded, metadata: { name: "it", namespace: "ns", resourceVersion: "2" } };
    assert.deepEqual(refreshedInputs(inputs, recorded, live), inputs);
  });

  it("takes over what somebody changed or removed, and nothing that controllers own", () => {
    const live = object("v1", "PodTemplate", { template: { cpu: "2", added: false } });
    assert.deepEqual(refreshedInputs(inputs, recorded, live)["template"], { cpu: "2" });
  });

  it("finds a Secret's stringData in its data, and keeps it secret", () => {
    const encode = (text: string) => Buffer.from(text).toString("base64");
    const given = object("v1", "Secret", { stringData: secret({ token: "old" }) });
    const [before, after] = ["old", "new"].map((text) => object("v1", "Secret", { data: { token: encode(text) } }));
    assert.deepEqual(refreshedInputs(given, before ?? {}, before ?? {})["stringData"], secret({ token: "old" }));
    assert.deepEqual(refreshedInputs(given, before ?? {}, after ?? {})["stringData"], secret({ token: "new" }));
  });

  it("marks a Secret's data as secret even where the inputs are not", () => {
    const state = stateOf(object("v1", "Secret", { data: { a: "eA==" } }), {}, "manager");
    assert.equal(isSecret(state["data"]), true);
    assert.equal(state["__fieldManager"], "manager");
  });
});

function kubeconfig(user: Properties, server = "https://127.0.0.1:1"): string {
  return JSON.stringify({
    "current-context": "c",
    clusters: [{ name: "k", cluster: { server, "certificate-authority-data": "Y2E=" } }],
    contexts: [{ name: "c", context: { cluster: "k", user: "u", namespace: "n" } }],
    users: [{ name: "u", user }],
  });
}

describe("the kubernetes double: the provider's configuration", () => {
  it("reads YAML, the current context and inline data", async () => {
    const active = activeContext(
      "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n" +
        "clusters: [{name: k, cluster: {server: 'https://h', certificate-authority-data: Y2E=}}]\n" +
        "users: [{name: u, user: {token: t}}]\n",
    );
    const { server, ca, token } = connectionOf(active);
    assert.deepEqual([server, ca, await token?.()], ["https://h", "ca", "t"]);
  });

  it("refuses a context that is not there, and what it does not model", () => {
    assert.throws(() => activeContext(kubeconfig({ token: "t" }), { context: "x" }), /no context "x"/);
    assert.throws(() => activeContext(kubeconfig({ "auth-provider": {} })), /does not model auth-provider/);
  });

  it("refuses a provider without kubeconfig, and settings it does not model", () => {
    const properties = (news: Properties) => checkProviderConfig(news).failures.map(({ property }) => property);
    assert.deepEqual(properties({}), ["kubeconfig"]);
    assert.deepEqual(properties({ kubeconfig: "x", deleteUnreachable: "true" }), ["deleteUnreachable"]);
    assert.deepEqual(properties({ kubeconfig: UNKNOWN, enableSecretMutable: "true", deleteUnreachable: "false" }), []);
  });

  const here = kubeconfig({ token: "t" });
  const elsewhere = kubeconfig({ token: "t" }, "https://127.0.0.1:2");
  const cases: [string, Properties, Properties, string[]][] = [
    ["another identifier", { clusterIdentifier: "a" }, { clusterIdentifier: "b" }, ["clusterIdentifier"]],
    ["another server, without identifier", { kubeconfig: here }, { kubeconfig: elsewhere }, ["kubeconfig"]],
    ["an unknown kubeconfig, without identifier", { kubeconfig: here }, { kubeconfig: UNKNOWN }, ["kubeconfig"]],
  ];
  for (const [what, olds, news, replaces] of cases) {
    it(`replaces everything for ${what}`, () => {
      assert.deepEqual(diffProviderConfig(olds, news).replaces, replaces);
    });
  }

  it("replaces nothing while the identifier stays, or when it is added, or for another credential", () => {
    const same = { clusterIdentifier: "a" };
    const kept: [Properties, Properties][] = [
      [
        { ...same, kubeconfig: here },
        { ...same, kubeconfig: elsewhere },
      ],
      [
        { ...same, kubeconfig: here },
        { ...same, kubeconfig: UNKNOWN },
      ],
      [{ kubeconfig: here }, { ...same, kubeconfig: here }],
      [{ kubeconfig: here }, { kubeconfig: kubeconfig({ token: "other" }) }],
    ];
    for (const [olds, news] of kept) {
      assert.deepEqual(diffProviderConfig(olds, news).replaces, []);
    }
  });
});
