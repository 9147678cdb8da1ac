import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parsePreview, PreviewInputError } from "../../tools/preview/preview";
import { nodeHour } from "../../tools/preview/prices";
import { summaryOf } from "../../tools/preview/summary";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", plaintext: '"s3cr3t"' };

type Inputs = Record<string, unknown>;

/** A step in the shape of `pulumi preview --json`; tests/policy/stack.test.ts has the CLI's own. */
function step(op: string, type: string, name: string, before?: Inputs, after?: Inputs, more: object = {}): object {
  return {
    op,
    urn: `urn:pulumi:dev::p::x:index:Component$${type}::${name}`,
    ...(before === undefined ? {} : { oldState: { inputs: before } }),
    ...(after === undefined ? {} : { newState: { inputs: after } }),
    ...more,
  };
}

function summary(...steps: readonly object[]): string {
  return summaryOf(parsePreview(JSON.stringify({ steps })));
}

function has(text: string, row: string): void {
  assert.ok(text.includes(`${row}\n`), `${row}\nis not in\n${text}`);
}

const POOL = "gcp:container/nodePool:NodePool";
const pool = (most: unknown, machineType: unknown, spot = false): Inputs => ({
  autoscaling: { totalMaxNodeCount: most },
  nodeConfig: { machineType, spot },
});

describe("the summary of a preview", () => {
  it("has what a change of the pool costs at its maximum, also where the pool stays", () => {
    const changed = summary(step("update", POOL, "pool", pool(4, "e2-standard-4", true), pool(9, "n2-standard-8")));
    has(changed, "| pool: most nodes | 4 | 9 |");
    has(changed, "| pool: Spot | yes | no |");
    has(changed, "| pool: cost per hour at the maximum | about $0.16 (4 × $0.040) | about $3.50 (9 × $0.389) |");
    assert.match(changed, /Prices are assumptions: list prices of us-central1 .*read in August 2026/);
    const same = summary(step("same", POOL, "pool", pool(4, "e2-standard-4"), pool(4, "e2-standard-4")));
    has(same, "| pool: cost per hour at the maximum | about $0.54 (4 × $0.134) | about $0.54 (4 × $0.134) |");
    assert.match(same, /\n\nNothing changes\.\n/);
    assert.doesNotMatch(same, /most nodes/);
  });

  it("says that it has no price, no maximum, or a value only the update knows", () => {
    has(
      summary(step("create", POOL, "pool", undefined, pool(4, "z9-mega-1"))),
      "| pool: cost per hour at the maximum | - | unknown: no price for z9-mega-1 in the table |",
    );
    has(
      summary(step("create", POOL, "pool", undefined, pool(4, "n2-highmem-128", true))),
      "| pool: cost per hour at the maximum | - | unknown: no price for Spot n2-highmem-128 in the table |",
    );
    const unknown = summary(step("create", POOL, "pool", undefined, pool(UNKNOWN, UNKNOWN)));
    has(unknown, "| pool: most nodes | - | (known after the update) |");
    has(unknown, "| pool: cost per hour at the maximum | - | unknown: no total maximum |");
  });

  it("has the prices of the table, for each size of a family, and of no machine beside it", () => {
    const hour = (type: string) => [nodeHour(type, false), nodeHour(type, true)];
    assert.deepEqual(hour("e2-standard-4"), [0.134, 0.0402]);
    assert.deepEqual(hour("e2-standard-8"), [0.268, 0.0804]);
    assert.deepEqual(hour("n2-standard-8"), [0.3885, 0.094]);
    assert.deepEqual(hour("c3-standard-8"), [0.4178, 0.0379]);
    // The table has these sums, too, each as one.
    assert.equal(nodeHour("n2-highmem-16", false), 1.0481);
    assert.equal(nodeHour("n2d-highcpu-8", false), 0.2495);
    assert.equal(nodeHour("c3-highcpu-22", false), 0.9482);
    for (const type of ["e2-medium", "e2-standard-0", "n2-custom-4-8192", "c3-standard-8-lssd", "constructor-x-4"]) {
      assert.deepEqual(hour(type), [undefined, undefined], type);
    }
  });

  it("has quotas, replicas, and what jobs may run", () => {
    const hard = (count: string) => ({ spec: { hard: { "count/jobs.batch": count } } });
    has(
      summary(step("update", "kubernetes:core/v1:ResourceQuota", "q", hard("5"), hard("9"))),
      "| q: quota count/jobs.batch | 5 | 9 |",
    );
    const spec = (replicas: number) => ({ spec: { replicas } });
    has(summary(step("update", "kubernetes:apps/v1:Deployment", "d", spec(2), spec(3))), "| d: replicas | 2 | 3 |");
    const settings = (limit: number) => ({ data: { "settings.json": `{"limits":{"inFlight":${limit}}}` } });
    has(
      summary(step("update", "kubernetes:core/v1:ConfigMap", "s", settings(4), settings(9))),
      "| s: jobs that may run or wait for a node | 4 | 9 |",
    );
  });

  it("has what rights, containers and exposure come and go", () => {
    const RBAC = "kubernetes:rbac.authorization.k8s.io/v1";
    const pods = { apiGroups: [""], resources: ["pods"], verbs: ["get"] };
    const secrets = { apiGroups: [""], resources: ["secrets"], verbs: ["*"], resourceNames: ["token"] };
    const policy = (...messages: string[]) => ({ spec: { validations: messages.map((message) => ({ message })) } });
    const text = summary(
      step("update", `${RBAC}:Role`, "role", { rules: [pods] }, { rules: [pods, secrets] }),
      step("update", "kubernetes:core/v1:Namespace", "ns", label("restricted"), label("privileged")),
      step("create", "kubernetes:core/v1:Pod", "pod", undefined, {
        spec: {
          hostNetwork: true,
          volumes: [{ name: "host", hostPath: { path: "/" } }],
          containers: [{ name: "dind", securityContext: { privileged: true } }],
        },
      }),
      step("create", "kubernetes:core/v1:Service", "svc", undefined, {
        spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
      }),
      step("create", "kubernetes:networking.k8s.io/v1:Ingress", "bare", undefined, { spec: { defaultBackend: {} } }),
      step("create", "kubernetes:networking.k8s.io/v1:Ingress", "inside", undefined, {
        spec: { ingressClassName: "gce-internal", rules: [{ host: "a.example", http: { paths: [{ path: "/" }] } }] },
      }),
      step(
        "delete",
        "gcp:projects/iAMMember:IAMMember",
        "member",
        { role: "roles/owner", member: "user:a" },
        undefined,
      ),
      step(
        "update",
        "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
        "vap",
        policy("a", "b"),
        policy("a"),
      ),
      step("update", POOL, "pool", { nodeConfig: { taints: [{ key: "k", value: "v", effect: "NO_SCHEDULE" }] } }, {}),
      step(
        "update",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "net",
        network("10.0.0.0/8"),
        network("0.0.0.0/0"),
      ),
    );
    has(text, "| added | Role role | \\* on secrets (core) named token |");
    has(text, "| added | Namespace ns | enforce pod security privileged |");
    has(text, "| removed | Namespace ns | enforce pod security restricted |");
    has(
      text,
      "| added | Pod pod | privileged container dind: root on its node; hostNetwork of its node; the node's folder /; runs as service account default, with its token |",
    );
    has(text, "| added | Service svc | public LoadBalancer, ports 80 |");
    has(text, "| added | Ingress bare | public HTTPS and HTTP, every host |");
    has(text, "| added | Ingress inside | internal HTTPS and HTTP a.example / |");
    has(text, "| removed | IAMMember member | roles/owner for user:a |");
    has(text, "| removed | ValidatingAdmissionPolicy vap | refuses: b |");
    assert.match(text, /\| removed \| NodePool pool \| only pods that tolerate k=v:NO\\_SCHEDULE \|/);
    has(text, "| added | NetworkPolicy net | egress to 0.0.0.0/0, ports all |");
  });

  it("has why a resource is replaced, before everything else, and only the paths", () => {
    const detailedDiff = { "nodeConfig.spot": { kind: "update-replace" }, "nodeConfig.labels.a": { kind: "update" } };
    const text = summary(
      step(
        "update",
        "kubernetes:core/v1:Secret",
        "secret",
        {},
        {},
        { detailedDiff: { "stringData.token": { kind: "update" } } },
      ),
      step("create-replacement", POOL, "pool", {}, {}),
      step("replace", POOL, "pool", {}, {}, { detailedDiff }),
      step("delete-replaced", POOL, "pool", {}, {}),
      step("replace", "x:y:Z", "z", {}, {}, { replaceReasons: ["name"] }),
      step("replace", "x:y:Z", "silent", {}, {}),
    );
    assert.match(text, /\n\n\*\*replace\*\* 3, update 1\.\n/);
    has(text, "| **replace** | NodePool pool | nodeConfig.spot |");
    has(text, "| **replace** | Z z | name |");
    has(text, "| **replace** | Z silent | (the provider does not say) |");
    has(text, "| update | Secret secret | stringData.token |");
    assert.ok(text.indexOf("Z silent") < text.indexOf("Secret secret"));
  });

  it("never shows a secret, whatever field it stands in", () => {
    const text = summary(
      step("create", POOL, "pool", undefined, {
        autoscaling: { totalMaxNodeCount: SECRET },
        nodeConfig: { machineType: "[secret]" },
      }),
      step("create", "gcp:projects/iAMMember:IAMMember", "member", undefined, { role: SECRET, member: "[secret]" }),
      step("create", "kubernetes:core/v1:Secret", "secret", undefined, { stringData: { token: "s3cr3t" } }),
      step("create", "kubernetes:core/v1:ConfigMap", "map", undefined, { data: { "settings.json": "[secret]" } }),
      step("create", "kubernetes:core/v1:Pod", "pod", undefined, {
        spec: { containers: [{ name: "a", env: [{ name: "TOKEN", value: "s3cr3t" }], args: ["--token=s3cr3t"] }] },
      }),
    );
    assert.doesNotMatch(text, /s3cr3t|4dabf/);
    has(text, "| pool: most nodes | - | (secret) |");
    has(text, "| added | IAMMember member | (secret) for (secret) |");
  });

  it("keeps every text in its cell", () => {
    const name = "a|b\n| **c** | <img src=x> [d](e) `f` ~~g~~ &lt;";
    const text = summary(step("update", "kubernetes:core/v1:ConfigMap", name, {}, {}, { diffReasons: ["data.x|y"] }));
    has(
      text,
      "| update | ConfigMap a\\|b \\| \\*\\*c\\*\\* \\| &lt;img src=x&gt; \\[d\\](e) \\`f\\` \\~\\~g\\~\\~ &amp;lt; | data.x\\|y |",
    );
  });

  it("is cut where nobody would read on, and says so", () => {
    const many = Array.from({ length: 75 }, (_, index) => step("delete", "x:y:Z", `z${index}`, {}, undefined));
    const text = summary(...many);
    assert.match(text, /\n\n… and 15 more\.\n/);
    assert.doesNotMatch(text, /z60 /);
  });

  describe("of what is no preview", () => {
    for (const [what, input, expected] of [
      ["nothing", " \n", /the input is empty: pulumi preview --json printed nothing/],
      ["a text", "error: s3cr3t", /the input is no JSON \(13 characters/],
      ["half a preview", '{"steps": [', /the input is no JSON \(11 characters/],
      ["a stack export", '{"deployment": {}}', /JSON without a list `steps`/],
      ["steps of another sort", '{"steps": [{"urn": "x"}]}', /steps\[0\] has no op or no urn/],
    ] as const) {
      it(`refuses ${what}, without showing it`, () => {
        assert.throws(
          () => parsePreview(input),
          (error) =>
            error instanceof PreviewInputError && expected.test(error.message) && !/s3cr3t/.test(error.message),
        );
      });
    }

    it("ends with exit code 1 and one line, a missing file, too", () => {
      const script = join(__dirname, "..", "..", "tools", "preview-summary.ts");
      const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", script, "/nowhere.json"], {
        encoding: "utf8",
      });
      assert.deepEqual([status, stdout], [1, ""]);
      assert.match(stderr, /^preview-summary: \/nowhere\.json cannot be read: ENOENT[^\n]*\n$/);
    });
  });
});

function label(level: string): Inputs {
  return { metadata: { labels: { "pod-security.kubernetes.io/enforce": level } } };
}

function network(cidr: string): Inputs {
  return { spec: { egress: [{ to: [{ ipBlock: { cidr } }] }] } };
}
