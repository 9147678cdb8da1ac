import assert from "node:assert/strict";
import { type Inputs, privileges, UNKNOWN } from "../support/preview-privileges";

const NETWORK = "networking.k8s.io/v1:NetworkPolicy";

const policyOf = (spec: Inputs, namespace = "builds"): Inputs => ({ metadata: { namespace }, spec });
/** As `components/agents-namespace.ts` makes it. */
const AGENTS = policyOf({
  podSelector: {},
  policyTypes: ["Ingress", "Egress"],
  ingress: [],
  egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.169.254/32"] } }, { namespaceSelector: {} }] }],
});
const AGENTS_EGRESS = "egress to 0.0.0.0/0 but 169.254.169.254/32, any pod of any namespace, ports all";

describe("a preview's network rules", () => {
  const from = (...peers: Inputs[]): Inputs => policyOf({ podSelector: {}, ingress: [{ from: peers }] });

  it("say whom selectors take", () => {
    assert.deepEqual(
      privileges(NETWORK, from({ namespaceSelector: { matchLabels: { a: "b" } } }), from({ namespaceSelector: {} })),
      [
        "| removed | NetworkPolicy x | ingress from any pod of namespaces with a=b, ports all |",
        "| added | NetworkPolicy x | ingress from any pod of any namespace, ports all |",
      ],
    );
    const expression = { key: "tier", operator: "NotIn", values: ["web", "db"] };
    assert.deepEqual(
      privileges(
        NETWORK,
        from({ podSelector: { matchLabels: { b: "2", a: "1" } }, namespaceSelector: {} }),
        from({ podSelector: { matchExpressions: [expression] } }),
      ),
      [
        "| removed | NetworkPolicy x | ingress from pods with a=1, b=2 of any namespace, ports all |",
        "| added | NetworkPolicy x | ingress from pods with tier NotIn (web, db) of its namespace, ports all |",
      ],
    );
  });

  it("say which pods are isolated", () => {
    const isolating = (podSelector: Inputs, namespace?: string) => policyOf({ podSelector }, namespace);
    assert.deepEqual(privileges(NETWORK, isolating({}), isolating({ matchLabels: { app: "web" } })), [
      "| removed | NetworkPolicy x | selects any pod of namespace builds |",
      "| added | NetworkPolicy x | selects pods with app=web of namespace builds |",
    ]);
    assert.deepEqual(privileges(NETWORK, isolating({}), isolating({}, "other")), [
      "| removed | NetworkPolicy x | selects any pod of namespace builds |",
      "| added | NetworkPolicy x | selects any pod of namespace other |",
    ]);
  });

  it("say that a direction is open again, and that nothing may pass in one without rules", () => {
    const spec = AGENTS["spec"] as Inputs;
    assert.deepEqual(privileges(NETWORK, AGENTS, policyOf({ ...spec, policyTypes: ["Ingress"] })), [
      "| removed | NetworkPolicy x | no longer isolates any pod of namespace builds for egress: open unless another policy isolates them |",
    ]);
    assert.deepEqual(privileges(NETWORK, policyOf({ ...spec, policyTypes: ["Ingress"] }), AGENTS), [
      `| added | NetworkPolicy x | isolates any pod of namespace builds for egress; ${AGENTS_EGRESS} |`,
    ]);
    assert.deepEqual(privileges(NETWORK, AGENTS, policyOf({ ...spec, egress: [] })), [
      `| removed | NetworkPolicy x | ${AGENTS_EGRESS} |`,
      "| added | NetworkPolicy x | egress: nothing may go out |",
    ]);
    assert.deepEqual(privileges(NETWORK, AGENTS, policyOf({ ...spec, ingress: [{}] })), [
      "| removed | NetworkPolicy x | ingress: nothing may come in |",
      "| added | NetworkPolicy x | ingress from anywhere, ports all |",
    ]);
  });

  it("say of a policy that goes whom it isolates no longer, not what it let pass", () => {
    const denyAll = policyOf({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    for (const policy of [denyAll, AGENTS]) {
      assert.deepEqual(privileges(NETWORK, policy, undefined), [
        "| removed | NetworkPolicy x | no longer isolates any pod of namespace builds for ingress and egress: open unless another policy isolates them |",
      ]);
    }
    assert.deepEqual(privileges(NETWORK, undefined, AGENTS), [
      `| added | NetworkPolicy x | isolates any pod of namespace builds for ingress and egress; ingress: nothing may come in; ${AGENTS_EGRESS} |`,
    ]);
  });

  it("take policy types that are not said from the rules, as Kubernetes does", () => {
    const isolated = (spec: Inputs): string => privileges(NETWORK, policyOf(spec), undefined).join("\n");
    assert.match(isolated({}), /for ingress: open/);
    assert.match(isolated({ policyTypes: [], egress: [] }), /for ingress: open/);
    assert.match(isolated({ egress: [{}] }), /for ingress and egress: open/);
    assert.match(isolated({ policyTypes: ["Egress"], ingress: [{}] }), /for egress: open/);
  });

  it("say protocol and end of a range of ports", () => {
    const ports = (...list: Inputs[]) => policyOf({ egress: [{ ports: list }], policyTypes: ["Egress"] });
    assert.deepEqual(
      privileges(NETWORK, ports({ port: 53, protocol: "UDP" }), ports({ port: 53 }, { port: 80, endPort: 90 }, {})),
      [
        "| removed | NetworkPolicy x | egress to anywhere, ports UDP 53 |",
        "| added | NetworkPolicy x | egress to anywhere, ports TCP 53, TCP 80-90, TCP all |",
      ],
    );
  });

  it("never take what only the update knows for everything, for nothing, or for the same", () => {
    const spec = AGENTS["spec"] as Inputs;
    for (const [field, expected] of [
      ["egress", /\| added \| .* egress \(known after the update\)/],
      ["podSelector", /selects pods with \(known after the update\) of/],
      ["policyTypes", /policy types \(known after the update\)/],
    ] as const) {
      assert.match(privileges(NETWORK, AGENTS, policyOf({ ...spec, [field]: UNKNOWN })).join("\n"), expected);
    }
    const to = (value: unknown) => policyOf({ policyTypes: ["Egress"], egress: [{ to: value, ports: [{ port: 1 }] }] });
    assert.deepEqual(privileges(NETWORK, undefined, to(UNKNOWN)), [
      "| added | NetworkPolicy x | isolates any pod of namespace builds for egress; egress to (known after the update), ports TCP 1 |",
    ]);
    assert.deepEqual(privileges(NETWORK, to(UNKNOWN), to(UNKNOWN)), [
      "| changed | NetworkPolicy x | in spec.egress\\[0\\].to: see below |",
    ]);
    assert.deepEqual(privileges(NETWORK, AGENTS, { metadata: AGENTS["metadata"], spec: UNKNOWN }), [
      "| changed | NetworkPolicy x | in spec: see below |",
    ]);
  });

  it("keep a selector's text in its cell", () => {
    const [row = ""] = privileges(
      NETWORK,
      undefined,
      policyOf({ podSelector: { matchLabels: { "a|b": "`c`\n| d" } } }),
    );
    assert.match(row, /^\| added \| NetworkPolicy x \| isolates pods with a\\\|b=\\`c\\` \\\| d of namespace builds /);
  });
});
