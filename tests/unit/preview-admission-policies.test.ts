import assert from "node:assert/strict";
import { type Inputs, privileges, UNKNOWN } from "../support/preview-privileges";

const POLICY = "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy";
const BINDING = "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding";

describe("a preview's admission policies", () => {
  const rule = (message: string, expression: string): Inputs => ({ message, expression });
  const spec = {
    failurePolicy: "Fail",
    matchConstraints: {
      resourceRules: [{ apiGroups: ["batch"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["jobs"] }],
    },
    validations: [rule("the pod spec must equal the PodTemplate's", "a == b"), rule("parallelism must be 1", "c == 1")],
  };
  const changed = (more: Inputs): string[] => privileges(POLICY, { spec }, { spec: { ...spec, ...more } });

  it("say that a rule is another behind the same message", () => {
    assert.deepEqual(
      changed({ validations: [rule("the pod spec must equal the PodTemplate's", "true"), spec.validations[1]] }),
      ["| changed | ValidatingAdmissionPolicy x | rule changed: the pod spec must equal the PodTemplate's |"],
    );
    assert.deepEqual(changed({ validations: [rule("other", "a == b"), spec.validations[1]] }), [
      "| removed | ValidatingAdmissionPolicy x | refuses: the pod spec must equal the PodTemplate's |",
      "| added | ValidatingAdmissionPolicy x | refuses: other |",
    ]);
    // Two of one message, of which one goes, or becomes another.
    const twice = { ...spec, validations: [rule("m", "a"), rule("m", "b")] };
    for (const validations of [[rule("m", "a")], [rule("m", "true"), rule("m", "b")]]) {
      assert.deepEqual(privileges(POLICY, { spec: twice }, { spec: { ...spec, validations } }), [
        "| changed | ValidatingAdmissionPolicy x | rule changed: m |",
      ]);
    }
  });

  it("say what becomes of what cannot be judged", () => {
    assert.deepEqual(changed({ failurePolicy: "Ignore" }), [
      "| removed | ValidatingAdmissionPolicy x | failurePolicy Fail: what it cannot judge is refused |",
      "| added | ValidatingAdmissionPolicy x | failurePolicy Ignore: what it cannot judge passes |",
    ]);
    assert.deepEqual(changed({ failurePolicy: undefined }), [
      "| changed | ValidatingAdmissionPolicy x | in spec.failurePolicy: see below |",
    ]);
  });

  it("say what is judged, under which conditions, with which variables and parameters", () => {
    const [constraint] = spec.matchConstraints.resourceRules;
    assert.deepEqual(changed({ matchConstraints: { resourceRules: [{ ...constraint, operations: ["UPDATE"] }] } }), [
      "| removed | ValidatingAdmissionPolicy x | judges CREATE of jobs (batch/v1) |",
      "| added | ValidatingAdmissionPolicy x | judges UPDATE of jobs (batch/v1) |",
    ]);
    const excluding = {
      ...spec.matchConstraints,
      excludeResourceRules: [{ ...constraint, resourceNames: ["a"] }],
      objectSelector: { matchLabels: { b: "c" } },
    };
    assert.deepEqual(changed({ matchConstraints: excluding }), [
      "| added | ValidatingAdmissionPolicy x | does not judge CREATE of jobs (batch/v1) named a; only objects with b=c |",
    ]);
    const condition = (expression: string) => ({ matchConditions: [{ name: "mine", expression }] });
    assert.deepEqual(changed(condition("false")), [
      "| added | ValidatingAdmissionPolicy x | judges only on condition mine |",
    ]);
    assert.deepEqual(
      privileges(POLICY, { spec: { ...spec, ...condition("a") } }, { spec: { ...spec, ...condition("b") } }),
      ["| changed | ValidatingAdmissionPolicy x | condition changed: mine |"],
    );
    assert.deepEqual(changed({ variables: [{ name: "v", expression: "1" }] }), [
      "| added | ValidatingAdmissionPolicy x | variable v |",
    ]);
    assert.deepEqual(changed({ paramKind: { apiVersion: "v1", kind: "PodTemplate" } }), [
      "| added | ValidatingAdmissionPolicy x | judges by parameters of kind v1 PodTemplate |",
    ]);
  });

  it("tell of a whole one how many rules it has, and where it lets pass what it cannot judge", () => {
    assert.deepEqual(privileges(POLICY, undefined, { spec: { ...spec, failurePolicy: "Ignore" } }), [
      "| added | ValidatingAdmissionPolicy x | 2 rules of what is refused; failurePolicy Ignore: what it cannot judge passes |",
    ]);
    assert.deepEqual(privileges(POLICY, { spec }, undefined), [
      "| removed | ValidatingAdmissionPolicy x | 2 rules of what is refused |",
    ]);
  });

  it("are not taken for the same where only the update knows", () => {
    assert.deepEqual(changed({ validations: UNKNOWN }), [
      "| removed | ValidatingAdmissionPolicy x | refuses: the pod spec must equal the PodTemplate's; refuses: parallelism must be 1 |",
      "| added | ValidatingAdmissionPolicy x | refuses: (known after the update) |",
    ]);
    const unknown = { spec: { ...spec, validations: [rule("m", UNKNOWN)] } };
    assert.deepEqual(privileges(POLICY, unknown, unknown), [
      "| changed | ValidatingAdmissionPolicy x | in spec.validations\\[0\\].expression: see below |",
    ]);
    assert.deepEqual(privileges(POLICY, undefined, { spec: { ...spec, validations: UNKNOWN } }), [
      "| added | ValidatingAdmissionPolicy x | (known after the update) rules of what is refused |",
    ]);
  });

  it("say where and how a binding puts them in force", () => {
    const binding = {
      policyName: "p",
      validationActions: ["Deny"],
      paramRef: { name: "docker", namespace: "builds", parameterNotFoundAction: "Deny" },
      matchResources: { namespaceSelector: { matchLabels: { name: "builds" } } },
    };
    const other = (more: Inputs) => privileges(BINDING, { spec: binding }, { spec: { ...binding, ...more } });
    assert.deepEqual(other({ matchResources: { namespaceSelector: { matchLabels: { name: "other" } } } }), [
      "| removed | ValidatingAdmissionPolicyBinding x | only in namespaces with name=builds |",
      "| added | ValidatingAdmissionPolicyBinding x | only in namespaces with name=other |",
    ]);
    assert.deepEqual(other({ paramRef: { ...binding.paramRef, parameterNotFoundAction: "Allow" } }), [
      "| removed | ValidatingAdmissionPolicyBinding x | by parameter docker of namespace builds, where there is none: Deny |",
      "| added | ValidatingAdmissionPolicyBinding x | by parameter docker of namespace builds, where there is none: Allow |",
    ]);
    assert.deepEqual(other({ paramRef: { selector: {}, parameterNotFoundAction: "Allow" } }), [
      "| removed | ValidatingAdmissionPolicyBinding x | by parameter docker of namespace builds, where there is none: Deny |",
      "| added | ValidatingAdmissionPolicyBinding x | by any parameter, where there is none: Allow |",
    ]);
    assert.deepEqual(other({ validationActions: ["Warn"], policyName: "q" }), [
      "| removed | ValidatingAdmissionPolicyBinding x | policy p in force: Deny |",
      "| added | ValidatingAdmissionPolicyBinding x | policy q in force: Warn |",
    ]);
  });
});
