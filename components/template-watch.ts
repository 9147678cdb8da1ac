import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

type PolicySpec = k8s.types.input.admissionregistration.v1.ValidatingAdmissionPolicySpec;
type BindingSpec = k8s.types.input.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec;

/** A policy about nothing, with PodTemplates as its parameters. */
export function templateWatchPolicySpec(): PolicySpec {
  return {
    failurePolicy: "Ignore",
    paramKind: { apiVersion: "v1", kind: "PodTemplate" },
    matchConstraints: {
      resourceRules: [
        { apiGroups: ["nothing.invalid"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["nothing"] },
      ],
    },
    validations: [{ expression: "true" }],
  };
}

/** Binds {@link templateWatchPolicySpec}. */
export function templateWatchBindingSpec(policyName: BindingSpec["policyName"]): BindingSpec {
  return {
    policyName,
    validationActions: ["Deny"],
    paramRef: { selector: {}, parameterNotFoundAction: "Allow" },
  };
}

/**
 * Keeps the API server's watch of PodTemplates going. Once no binding in the cluster has them as parameters, it stops that
 * watch and does not start it again (kubernetes issue 130887, seen here with 1.36): after a `pulumi destroy` the next
 * `up`'s policies would find no template, or a former one, and refuse every Job until the API server is restarted. So this
 * pair, which judges nothing, is left behind on purpose.
 */
export function createTemplateWatch(name: string, parent: pulumi.Resource): void {
  const opts = { parent, retainOnDelete: true };
  const policy = new k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
    `${name}-template-watch`,
    { spec: templateWatchPolicySpec() },
    opts,
  );
  new k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
    `${name}-template-watch-binding`,
    { spec: templateWatchBindingSpec(policy.metadata.name) },
    opts,
  );
}
