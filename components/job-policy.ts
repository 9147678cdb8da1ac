import type * as k8s from "@pulumi/kubernetes";
import {
  ACTIVE_DEADLINE_ANNOTATION,
  AGENT_CONTAINER,
  ATTEMPT_ANNOTATION,
  BUILD_URL_ANNOTATION,
  JOB_UUID,
  MANAGED_BY_LABEL,
  PIPELINE_LABEL,
  PROJECT,
  QUEUE_LABEL,
  SAFE_TO_EVICT_ANNOTATION,
  TEMPLATE_LABEL,
  TTL_ANNOTATION,
  UUID_PATTERN,
} from "./contract";

type PolicySpec = k8s.types.input.admissionregistration.v1.ValidatingAdmissionPolicySpec;
type BindingSpec = k8s.types.input.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec;

/** One pinned field: what holds for an honest Job, and what a person reads when it does not. */
interface Rule {
  readonly expression: string;
  readonly message: string;
}

const LABEL_KEYS = [MANAGED_BY_LABEL, TEMPLATE_LABEL, JOB_UUID, QUEUE_LABEL, PIPELINE_LABEL];
/** Added to the pod's labels by the API server itself, before validating admission. */
const API_SERVER_LABEL_KEYS = [
  "controller-uid",
  "job-name",
  "batch.kubernetes.io/controller-uid",
  "batch.kubernetes.io/job-name",
];
const JOB_ANNOTATION_KEYS = [JOB_UUID, BUILD_URL_ANNOTATION, ATTEMPT_ANNOTATION];
const POD_ANNOTATION_KEYS = [JOB_UUID, BUILD_URL_ANNOTATION];

const CREATE_JOBS = {
  resourceRules: [{ apiGroups: ["batch"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["jobs"] }],
};

/**
 * The policy that pins a Job to the PodTemplate it names (its parameter), so that whoever steals the dispatcher's
 * credentials can still only start builds. CREATE only: a rule on UPDATE would block the finalizers of Jobs that were
 * stamped from an older version of the template.
 */
export function templatePolicySpec(): PolicySpec {
  return {
    failurePolicy: "Fail",
    paramKind: { apiVersion: "v1", kind: "PodTemplate" },
    matchConstraints: CREATE_JOBS,
    validations: RULES.map(({ expression, message }) => ({ expression, message, reason: "Forbidden" })),
  };
}

/** Binds the policy to the Jobs of one template. A template that is not there refuses them. */
export function templateBindingSpec(
  policyName: k8s.types.input.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec["policyName"],
  namespace: string,
  template: string,
): BindingSpec {
  return {
    policyName,
    validationActions: ["Deny"],
    paramRef: { name: template, namespace, parameterNotFoundAction: "Deny" },
    matchResources: {
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
      objectSelector: { matchLabels: { [TEMPLATE_LABEL]: template } },
    },
  };
}

/**
 * The policy that closes the gap which selecting by label leaves: in the agents' namespace a Job without a known
 * template label would meet no binding at all.
 */
export function knownTemplatePolicySpec(templates: readonly string[]): PolicySpec {
  return {
    failurePolicy: "Fail",
    matchConstraints: CREATE_JOBS,
    validations: [
      {
        expression: `${has("object.metadata", "labels", TEMPLATE_LABEL)} && object.metadata.labels[${cel(TEMPLATE_LABEL)}] in ${celList(templates)}`,
        message: `label ${TEMPLATE_LABEL} must name one of the templates of this namespace: ${templates.join(", ")}`,
        reason: "Forbidden",
      },
    ],
  };
}

/** Binds {@link knownTemplatePolicySpec} to the agents' namespace. */
export function knownTemplateBindingSpec(policyName: BindingSpec["policyName"], namespace: string): BindingSpec {
  return {
    policyName,
    validationActions: ["Deny"],
    matchResources: { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } } },
  };
}

const POD_TEMPLATE_LABELS =
  "(has(params.template.metadata) && has(params.template.metadata.labels) ? params.template.metadata.labels : {})";
const POD_TEMPLATE_ANNOTATIONS =
  "(has(params.template.metadata) && has(params.template.metadata.annotations) ? params.template.metadata.annotations : {})";

/** Exported for the tests: one of them per rule. */
export const RULES: readonly Rule[] = [
  {
    expression: "object.spec.template.spec == params.template.spec",
    message: "the pod spec must equal the PodTemplate's",
  },
  {
    expression: `${has("object.metadata", "annotations", JOB_UUID)} && object.metadata.annotations[${cel(JOB_UUID)}].matches(${cel(UUID_PATTERN)})`,
    message: `annotation ${JOB_UUID} must be a lower-case UUID`,
  },
  {
    expression: `object.metadata.name == 'buildkite-' + object.metadata.annotations[${cel(JOB_UUID)}]`,
    message: `the name must be buildkite- and the UUID of annotation ${JOB_UUID}`,
  },
  { expression: "object.spec.parallelism == 1", message: "parallelism must be 1" },
  { expression: "has(object.spec.completions) && object.spec.completions == 1", message: "completions must be 1" },
  // The API server reports the first rule that is broken: those that need an Indexed Job come before completionMode.
  { expression: "!has(object.spec.maxFailedIndexes)", message: "maxFailedIndexes must be unset" },
  { expression: "!has(object.spec.backoffLimitPerIndex)", message: "backoffLimitPerIndex must be unset" },
  { expression: "!has(object.spec.successPolicy)", message: "successPolicy must be unset" },
  { expression: "object.spec.completionMode == 'NonIndexed'", message: "completionMode must be NonIndexed" },
  { expression: "object.spec.backoffLimit == 0", message: "backoffLimit must be 0" },
  { expression: "!has(object.spec.managedBy)", message: "managedBy must be unset" },
  { expression: "!has(object.spec.suspend) || !object.spec.suspend", message: "suspend must be unset or false" },
  {
    expression: "!has(object.spec.manualSelector) || !object.spec.manualSelector",
    message: "manualSelector must be unset or false",
  },
  {
    expression: `has(object.spec.activeDeadlineSeconds) && string(object.spec.activeDeadlineSeconds) == params.metadata.annotations[${cel(ACTIVE_DEADLINE_ANNOTATION)}]`,
    message: "activeDeadlineSeconds must be the template's",
  },
  {
    expression: `has(object.spec.ttlSecondsAfterFinished) && string(object.spec.ttlSecondsAfterFinished) == params.metadata.annotations[${cel(TTL_ANNOTATION)}]`,
    message: "ttlSecondsAfterFinished must be the template's",
  },
  {
    expression: "has(object.spec.podReplacementPolicy) && object.spec.podReplacementPolicy == 'Failed'",
    message: "podReplacementPolicy must be Failed",
  },
  {
    expression: [
      "has(object.spec.podFailurePolicy) && size(object.spec.podFailurePolicy.rules) == 1",
      "object.spec.podFailurePolicy.rules[0].action == 'FailJob'",
      "has(object.spec.podFailurePolicy.rules[0].onExitCodes)",
      "has(object.spec.podFailurePolicy.rules[0].onExitCodes.containerName)",
      `object.spec.podFailurePolicy.rules[0].onExitCodes.containerName == ${cel(AGENT_CONTAINER)}`,
      "object.spec.podFailurePolicy.rules[0].onExitCodes.operator == 'NotIn'",
      "object.spec.podFailurePolicy.rules[0].onExitCodes.values == [0]",
    ].join(" && "),
    message: `podFailurePolicy must fail the Job when container ${AGENT_CONTAINER} fails, and say nothing else`,
  },
  { expression: "!has(object.metadata.ownerReferences)", message: "ownerReferences must be unset" },
  { expression: "!has(object.metadata.finalizers)", message: "finalizers must be unset" },
  // Of the pod template's metadata the Job controller copies these, labels and annotations. The pod would never go.
  { expression: "!has(object.spec.template.metadata.finalizers)", message: "finalizers of the pod must be unset" },
  {
    expression: `object.metadata.labels.all(k, k in ${celList(LABEL_KEYS)} || k in ${POD_TEMPLATE_LABELS})`,
    message: "a label key is not on the allow-list",
  },
  {
    expression: `object.metadata.annotations.all(k, k in ${celList(JOB_ANNOTATION_KEYS)})`,
    message: "an annotation key is not on the allow-list",
  },
  {
    expression: `has(object.spec.template.metadata.labels) && object.spec.template.metadata.labels.all(k, k in ${celList([...LABEL_KEYS, ...API_SERVER_LABEL_KEYS])} || k in ${POD_TEMPLATE_LABELS})`,
    message: "a label key of the pod is not on the allow-list",
  },
  {
    expression: `has(object.spec.template.metadata.annotations) && object.spec.template.metadata.annotations.all(k, k in ${celList(POD_ANNOTATION_KEYS)} || k in ${POD_TEMPLATE_ANNOTATIONS})`,
    message: "an annotation key of the pod is not on the allow-list",
  },
  {
    expression: `${POD_TEMPLATE_LABELS}.all(k, k in object.spec.template.metadata.labels && object.spec.template.metadata.labels[k] == params.template.metadata.labels[k])`,
    message: "the pod must carry the template's own labels",
  },
  {
    expression: `${POD_TEMPLATE_ANNOTATIONS}.all(k, k in object.spec.template.metadata.annotations && object.spec.template.metadata.annotations[k] == params.template.metadata.annotations[k])`,
    message: `the pod must carry the template's own annotations, ${SAFE_TO_EVICT_ANNOTATION} among them`,
  },
  {
    expression: `${cel(JOB_UUID)} in object.metadata.labels && object.metadata.labels[${cel(JOB_UUID)}] == object.metadata.annotations[${cel(JOB_UUID)}]`,
    message: `label ${JOB_UUID} of the Job must be the UUID`,
  },
  {
    expression: `${cel(JOB_UUID)} in object.spec.template.metadata.labels && object.spec.template.metadata.labels[${cel(JOB_UUID)}] == object.metadata.annotations[${cel(JOB_UUID)}]`,
    message: `label ${JOB_UUID} of the pod must be the UUID`,
  },
  {
    expression: `${cel(MANAGED_BY_LABEL)} in object.metadata.labels && object.metadata.labels[${cel(MANAGED_BY_LABEL)}] == ${cel(PROJECT)}`,
    message: `label ${MANAGED_BY_LABEL} of the Job must be ${PROJECT}`,
  },
  {
    expression: `${cel(JOB_UUID)} in object.spec.template.metadata.annotations && object.spec.template.metadata.annotations[${cel(JOB_UUID)}] == object.metadata.annotations[${cel(JOB_UUID)}]`,
    message: `annotation ${JOB_UUID} of the pod must be the Job's: the agent acquires that job`,
  },
];

function has(path: string, map: string, key: string): string {
  return `has(${path}.${map}) && ${cel(key)} in ${path}.${map}`;
}

/** A CEL string literal; every text that comes here is plain ASCII without quotes or backslashes. */
function cel(text: string): string {
  return `'${text}'`;
}

function celList(texts: readonly string[]): string {
  return `[${texts.map(cel).join(", ")}]`;
}
