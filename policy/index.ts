import { PolicyPack, type ResourceValidationPolicy } from "@pulumi/policy";
import { isProduction, PRODUCTION_STACKS, stackOf } from "./production";
import type { Rule } from "./rule";
import { RULES } from "./rules";
import { pinnedImages } from "./rules/pinned-images";

/** Configuration of the two policies about images. */
interface ProductionConfig {
  productionStacks?: string[];
}

function policyOf(rule: Rule): ResourceValidationPolicy {
  const { name, description, severity } = rule;
  return {
    name,
    description,
    severity,
    enforcementLevel: "mandatory",
    validateResource: ({ type, urn, name: resourceName, props }, reportViolation) => {
      for (const fault of rule.faultsOf({ type, urn, name: resourceName, props })) {
        reportViolation(fault);
      }
    },
  };
}

/** A policy has one enforcement level, so there are two about images: each speaks on the stacks that are its own. */
function imagePolicy(name: string, production: boolean): ResourceValidationPolicy {
  const policy = policyOf(pinnedImages);
  return {
    ...policy,
    name,
    description: production ? "Images of a production stack are pinned by digest." : policy.description,
    enforcementLevel: production ? "mandatory" : "advisory",
    configSchema: {
      properties: {
        productionStacks: {
          type: "array",
          items: { type: "string" },
          default: [...PRODUCTION_STACKS],
          description: "Names of the stacks that are production; * at the end stands for whatever follows.",
        },
      },
    },
    validateResource: (args, reportViolation) => {
      const { productionStacks } = args.getConfig<ProductionConfig>();
      if (isProduction(stackOf(args.urn), productionStacks) === production) {
        for (const fault of pinnedImages.faultsOf(args)) {
          reportViolation(fault);
        }
      }
    },
  };
}

new PolicyPack("buildkite-scale-to-zero", {
  description: "Keeps docker:dind off the network, bounded in memory and time, pinned, and on nodes of its own.",
  policies: [
    ...RULES.map(policyOf),
    imagePolicy("pinned-images-in-production", true),
    imagePolicy(pinnedImages.name, false),
  ],
});
