import assert from "node:assert/strict";
import { type Inputs, privileges, UNKNOWN } from "../support/preview-privileges";

const NOTHING = "No right, privileged container, service account, network rule or exposure changes.";
const NETWORK = "networking.k8s.io/v1:NetworkPolicy";
const ROLE = "rbac.authorization.k8s.io/v1:Role";

describe("what a preview's table of privileges has no words for", () => {
  const pods = { apiGroups: [""], resources: ["pods"], verbs: ["get"] };

  for (const [what, kind, before, after, row] of [
    [
      "a role's namespace",
      ROLE,
      { metadata: { namespace: "a" }, rules: [pods] },
      { metadata: { namespace: "b" }, rules: [pods] },
      "| changed | Role x | in metadata.namespace: see below |",
    ],
    [
      "a namespace's label that policies may select by",
      "core/v1:Namespace",
      { metadata: { labels: { "a.b/c": "1" } } },
      { metadata: { labels: { "a.b/c": "2" } } },
      '| changed | Namespace x | in metadata.labels\\["a.b/c"\\]: see below |',
    ],
    [
      "a public service's pods",
      "core/v1:Service",
      { spec: { type: "LoadBalancer", ports: [{ port: 1 }], selector: { app: "a" } } },
      { spec: { type: "LoadBalancer", ports: [{ port: 1 }], selector: { app: "b" } } },
      "| changed | Service x | in spec.selector.app: see below |",
    ],
    [
      "an ingress's backend",
      "networking.k8s.io/v1:Ingress",
      { spec: { defaultBackend: { service: { name: "a" } } } },
      { spec: { defaultBackend: { service: { name: "b" } } } },
      "| changed | Ingress x | in spec.defaultBackend.service.name: see below |",
    ],
    [
      "a pod's security context",
      "core/v1:PodTemplate",
      { template: { spec: { containers: [{ name: "a", image: "i", securityContext: { runAsNonRoot: true } }] } } },
      { template: { spec: { containers: [{ name: "a", image: "j" }] } } },
      "| changed | PodTemplate x | in template.spec.containers\\[0\\].securityContext.runAsNonRoot: see below |",
    ],
    [
      "a policy of Google's",
      "gcp:projects/iAMPolicy:IAMPolicy",
      { policyData: "a" },
      { policyData: "b" },
      "| changed | IAMPolicy x | in policyData: see below |",
    ],
    [
      "a pool's shield",
      "gcp:container/nodePool:NodePool",
      { nodeConfig: { shieldedInstanceConfig: { enableSecureBoot: true } } },
      { nodeConfig: {} },
      "| changed | NodePool x | in nodeConfig.shieldedInstanceConfig.enableSecureBoot: see below |",
    ],
  ] as const) {
    it(`is named where it changes: ${what}`, () => {
      assert.deepEqual(privileges(kind, before, after), [row]);
      assert.deepEqual(privileges(kind, after, after, { op: "same" }), [NOTHING]);
    });
  }

  it("is named beside what the table does tell", () => {
    const more = { ...pods, verbs: ["list"] };
    assert.deepEqual(
      privileges(ROLE, { metadata: { namespace: "a" }, rules: [pods] }, { metadata: {}, rules: [pods, more] }),
      ["| added | Role x | list on pods (core) |", "| changed | Role x | in metadata.namespace: see below |"],
    );
  });

  it("is named where the inputs are secret, or are not in the preview, and only the engine says what changes", () => {
    const secret = { role: "[secret]", member: "user:a" };
    const detailedDiff = { role: { kind: "update" } };
    assert.deepEqual(privileges("gcp:projects/iAMMember:IAMMember", secret, secret, { detailedDiff }), [
      "| changed | IAMMember x | in role: see below |",
    ]);
    const bare = { oldState: {}, newState: {}, detailedDiff: { "spec.egress[0]": { kind: "add" } } };
    assert.deepEqual(
      privileges(NETWORK, {}, {}, bare).at(-1),
      "| changed | NetworkPolicy x | in spec.egress\\[0\\]: see below |",
    );
    const none = { oldState: undefined, newState: undefined };
    assert.deepEqual(privileges(NETWORK, {}, {}, none), [
      "| changed | NetworkPolicy x | its inputs are not in the preview: see below |",
    ]);
  });

  it("is cut after a few paths", () => {
    const labels = (value: string) => ({
      metadata: { labels: Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((key) => [key, value])) },
    });
    assert.deepEqual(privileges("core/v1:Namespace", labels("1"), labels("2")), [
      "| changed | Namespace x | in metadata.labels.a, metadata.labels.b, metadata.labels.c, metadata.labels.d and 2 more: see below |",
    ]);
  });

  it("is nothing where what changes decides nothing", () => {
    const service = (name: string) => ({ spec: { selector: { app: name } } });
    assert.deepEqual(privileges("core/v1:Service", service("a"), service("b")), [NOTHING]);
    const pod = (image: string, config: string) => ({
      spec: {
        containers: [{ name: "a", image, env: [{ name: "X", value: image }] }],
        volumes: [{ name: "v", configMap: { name: config } }],
      },
    });
    assert.deepEqual(privileges("core/v1:Pod", pod("a", "a"), pod("b", "b")), [NOTHING]);
    const annotated = (text: string) => ({ metadata: { annotations: { text } }, rules: [pods] });
    assert.deepEqual(privileges(ROLE, annotated("a"), annotated("b")), [NOTHING]);
  });

  it("is nothing where the resource stays, whatever is known of it", () => {
    assert.deepEqual(privileges(ROLE, { rules: UNKNOWN }, { rules: UNKNOWN }, { op: "same" }), [NOTHING]);
  });

  it("is told of rights and pods that only the update knows", () => {
    assert.deepEqual(privileges(ROLE, undefined, { rules: UNKNOWN }), [
      "| added | Role x | (known after the update) |",
    ]);
    assert.deepEqual(privileges(ROLE, undefined, { rules: [{ ...pods, verbs: [UNKNOWN] }] }), [
      "| added | Role x | (known after the update) on pods (core) |",
    ]);
    assert.deepEqual(
      privileges("core/v1:Pod", undefined, {
        spec: { containers: [{ name: "a", securityContext: { privileged: UNKNOWN } }] },
      }),
      [
        "| added | Pod x | runs as service account default, with its token |",
        "| added | Pod x | in spec.containers\\[0\\].securityContext.privileged: (known after the update) |",
      ],
    );
    assert.deepEqual(privileges("core/v1:Namespace", { metadata: { labels: {} } }, { metadata: { labels: UNKNOWN } }), [
      "| changed | Namespace x | in metadata.labels: see below |",
    ]);
  });
});

describe("a preview's exposure and identities", () => {
  it("say who may call a load balancer", () => {
    const service = (more: Inputs) => ({ spec: { type: "LoadBalancer", ports: [{ port: 443 }], ...more } });
    assert.deepEqual(
      privileges("core/v1:Service", service({ loadBalancerSourceRanges: ["10.0.0.0/8"] }), service({})),
      [
        "| removed | Service x | public LoadBalancer, ports 443, from 10.0.0.0/8 |",
        "| added | Service x | public LoadBalancer, ports 443 |",
      ],
    );
    assert.deepEqual(privileges("core/v1:Service", { spec: {} }, { spec: { externalIPs: ["192.0.2.1"] } }), [
      "| added | Service x | on external addresses 192.0.2.1 |",
    ]);
  });

  it("say on what and under which condition somebody has a role", () => {
    const member = { role: "roles/viewer", member: "user:a", project: "p" };
    assert.deepEqual(
      privileges(
        "gcp:projects/iAMMember:IAMMember",
        { ...member, condition: { title: "till May", expression: "request.time < x" } },
        member,
      ),
      [
        "| removed | IAMMember x | roles/viewer for user:a (project p) if request.time &lt; x |",
        "| added | IAMMember x | roles/viewer for user:a (project p) |",
      ],
    );
  });

  it("say as which Google account a service account's pods act", () => {
    const account = (email?: string) => ({
      metadata: { annotations: email === undefined ? {} : { "iam.gke.io/gcp-service-account": email } },
    });
    assert.deepEqual(privileges("core/v1:ServiceAccount", account(), account("a@b")), [
      "| added | ServiceAccount x | acts as Google service account a@b |",
    ]);
  });

  it("say which Google service accounts come and go, and of their keys that they change", () => {
    assert.deepEqual(privileges("gcp:serviceaccount/account:Account", undefined, { accountId: "agents-dev" }), [
      "| added | Account x | Google service account agents-dev |",
    ]);
    assert.deepEqual(privileges("gcp:serviceaccount/key:Key", undefined, { serviceAccountId: "a" }), [
      "| added | Key x | in serviceAccountId: see below |",
    ]);
  });

  it("say whether an address is of the internet", () => {
    const type = "gcp:compute/address:Address";
    assert.deepEqual(privileges(type, { addressType: "INTERNAL" }, {}), [
      "| removed | Address x | an address of the VPC |",
      "| added | Address x | an address on the internet |",
    ]);
  });

  it("say which capabilities a container has", () => {
    const pod = (...add: string[]) => ({
      spec: { containers: [{ name: "a", securityContext: { capabilities: { add } } }] },
    });
    assert.deepEqual(privileges("core/v1:Pod", pod(), pod("SYS_ADMIN")), [
      "| added | Pod x | container a has capability SYS\\_ADMIN |",
    ]);
  });
});
