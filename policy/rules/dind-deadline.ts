import { podRunsDockerd } from "../dind";
import { fieldsAt, has } from "../fields";
import { podOf } from "../pods";
import { type ReviewedResource, type Rule, titleOf } from "../rule";

/** What the dispatcher gives the Jobs it stamps from a PodTemplate; a unit test compares it with components/contract.ts. */
export const DEADLINE_ANNOTATION = "buildkite-scale-to-zero/activeDeadlineSeconds";

/** A build's pod has an end, whatever becomes of its agent. */
export const dindDeadline: Rule = {
  name: "dind-deadline",
  description: "A pod that runs docker:dind for a build has a deadline.",
  severity: "high",
  faultsOf(resource) {
    const pod = podOf(resource);
    if (pod === undefined || !podRunsDockerd(pod) || has(pod.spec, "activeDeadlineSeconds")) {
      return [];
    }
    const deadline = ofTheKind(pod.kind, resource);
    return deadline === "none" || deadline === "set"
      ? []
      : [
          `${titleOf(resource)}: ${deadline} is missing. A build whose end nobody sees keeps its node for ever: 96 such ` +
            "Jobs were found after a week, by the cost alarm (agent-stack-k8s #479); a dind whose agent was killed waits " +
            "without end. Fix: activeDeadlineSeconds, above the longest build, for example 14400.",
        ];
  },
};

/** Where else the deadline of such a kind may stand; `none` for kinds that Kubernetes gives no deadline. */
function ofTheKind(kind: string, { props }: ReviewedResource): string {
  switch (kind) {
    case "Pod":
      return "spec.activeDeadlineSeconds";
    case "Job":
      return has(fieldsAt(props, "spec"), "activeDeadlineSeconds") ? "set" : "spec.activeDeadlineSeconds";
    case "CronJob":
      return has(fieldsAt(props, "spec", "jobTemplate", "spec"), "activeDeadlineSeconds")
        ? "set"
        : "spec.jobTemplate.spec.activeDeadlineSeconds";
    case "PodTemplate":
      return has(fieldsAt(props, "metadata", "annotations"), DEADLINE_ANNOTATION)
        ? "set"
        : `template.spec.activeDeadlineSeconds (or annotation ${DEADLINE_ANNOTATION})`;
    default:
      return "none";
  }
}
