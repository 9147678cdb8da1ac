import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { brokenPoolRules } from "./address-pool";
import { type ArgumentFault, DNS_LABEL, integerWithin, refuseFaults, textLike } from "./argument-rules";
import {
  ACTIVE_DEADLINE_ANNOTATION,
  MANAGED_BY_LABEL,
  PROJECT,
  SAFE_TO_EVICT_ANNOTATION,
  TEMPLATE_LABEL,
  TTL_ANNOTATION,
} from "./contract";
import type { ContainerResources, DindJobTemplateArgs } from "./dind-job-template-args";
import { JOB_TOKEN_ENV, JOB_TOKEN_VOLUMES } from "./job-token-pod";
import { templateBindingSpec, templatePolicySpec } from "./job-policy";
import { buildPodSpec, gitEnv, RESERVED_ENV } from "./pod-spec";
import { QUANTITY, QUANTITY_RULE } from "./quantity";

/**
 * What a build's pod is: agent and docker:dind, held as a core/v1 PodTemplate that the dispatcher stamps Jobs from, and
 * the admission policy that refuses every other Job under this template's label.
 *
 * A PodTemplate has no controller: nothing prunes, owns or awaits the Jobs that are stamped from it.
 */
export class DindJobTemplate extends pulumi.ComponentResource {
  /** Name of the PodTemplate. */
  public readonly templateName: pulumi.Output<string>;
  /** Its namespace. */
  public readonly namespace: pulumi.Output<string>;
  /** Name of the ValidatingAdmissionPolicy that pins Jobs to it. */
  public readonly policyName: pulumi.Output<string>;

  /** @throws pulumi.InputPropertiesError listing each argument that breaks its rule, before anything is created. */
  constructor(name: string, args: DindJobTemplateArgs, opts?: pulumi.ComponentResourceOptions) {
    super(`${PROJECT}:index:DindJobTemplate`, name, args, opts);
    refuseFaults(`DindJobTemplate ${name}`, faultsOf(args));

    const template = createPodTemplate(this, name, args);
    const policy = new k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
      `${name}-policy`,
      { spec: templatePolicySpec() },
      { parent: this },
    );
    new k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
      `${name}-binding`,
      {
        spec: pulumi
          .all([policy.metadata.name, args.namespace])
          .apply(([policyName, namespace]) => templateBindingSpec(policyName, namespace, args.templateName)),
      },
      { parent: this, dependsOn: [template] },
    );

    this.templateName = template.metadata.name;
    this.namespace = template.metadata.namespace;
    this.policyName = policy.metadata.name;
    this.registerOutputs({
      templateName: this.templateName,
      namespace: this.namespace,
      policyName: this.policyName,
    });
  }
}

function createPodTemplate(parent: DindJobTemplate, name: string, args: DindJobTemplateArgs): k8s.core.v1.PodTemplate {
  const timeout = args.timeoutSeconds ?? 14_400;
  return new k8s.core.v1.PodTemplate(
    `${name}-template`,
    {
      metadata: {
        name: args.templateName,
        namespace: args.namespace,
        labels: { [MANAGED_BY_LABEL]: PROJECT },
        annotations: {
          // The pod's own deadline counts from the kubelet's start, the Job's from its creation: waiting for a node
          // must not shorten the build.
          [ACTIVE_DEADLINE_ANNOTATION]: String(timeout + (args.pendingLimitSeconds ?? 7_200)),
          [TTL_ANNOTATION]: String(args.ttlSecondsAfterFinished ?? 600),
        },
      },
      template: {
        metadata: {
          labels: { [MANAGED_BY_LABEL]: PROJECT, [TEMPLATE_LABEL]: args.templateName },
          annotations: { [SAFE_TO_EVICT_ANNOTATION]: "false" },
        },
        spec: buildPodSpec(args),
      },
    },
    { parent },
  );
}

function faultsOf(args: DindJobTemplateArgs): ArgumentFault[] {
  const grace = args.terminationGracePeriodSeconds ?? 60;
  return [
    ...textLike("templateName", args.templateName, DNS_LABEL, "1 to 63 lower-case letters, digits and dashes"),
    ...textLike("queue", args.queue, /^[A-Za-z0-9_-]{1,100}$/, "a queue key: 1 to 100 letters, digits, - and _"),
    ...integerWithin("timeoutSeconds", args.timeoutSeconds ?? 14_400, 60, 604_800),
    ...integerWithin("pendingLimitSeconds", args.pendingLimitSeconds ?? 7_200, 60, 604_800),
    ...integerWithin("ttlSecondsAfterFinished", args.ttlSecondsAfterFinished ?? 600, 30, 86_400),
    ...integerWithin("terminationGracePeriodSeconds", grace, 15, 3_600),
    ...resourceFaults("resources.agent", args.resources.agent),
    ...resourceFaults("resources.dind", args.resources.dind),
    ...quantityFaults("dockerGraphSizeLimit", args.dockerGraphSizeLimit),
    ...quantityFaults("buildsSizeLimit", args.buildsSizeLimit),
    ...tokenFaults(args),
    ...tagFaults(args),
    ...envFaults(args),
    ...volumeFaults(args),
    ...(args.defaultAddressPools ?? []).flatMap((pool, index) =>
      brokenPoolRules(pool).map(({ field, rule }) => ({
        path: `defaultAddressPools[${index}].${field}`,
        reason: `must be ${rule}, got ${JSON.stringify(pool[field])}`,
      })),
    ),
    ...(args.registryMirrors ?? []).flatMap((mirror, index) =>
      textLike(
        `registryMirrors[${index}]`,
        mirror,
        /^https?:\/\/[^\s/]+\/?$/,
        "a mirror's address such as https://mirror.gcr.io",
      ),
    ),
  ];
}

function tokenFaults({ agentToken, jobAcquisitionTokens, agentMode }: DindJobTemplateArgs): ArgumentFault[] {
  if (jobAcquisitionTokens === undefined) {
    return agentToken === undefined ? [{ path: "agentToken", reason: "must be set: the agent registers with it" }] : [];
  }
  return [
    ...(agentToken === undefined
      ? []
      : [
          {
            path: "agentToken",
            reason: "must be unset with jobAcquisitionTokens: they are there to keep it out of pods",
          },
        ]),
    ...(agentMode === "queue"
      ? [{ path: "agentMode", reason: "must be acquire with jobAcquisitionTokens: such a token is good for one job" }]
      : []),
    ...textLike(
      "jobAcquisitionTokens.url",
      jobAcquisitionTokens.url,
      /^https:\/\/[^\s/]+\/\S*$/,
      "an https:// address",
    ),
  ];
}

function resourceFaults(path: string, resources: ContainerResources): ArgumentFault[] {
  const { cpu, memory, ephemeralStorage } = resources;
  return [
    ...quantityFaults(`${path}.cpu`, cpu),
    ...quantityFaults(`${path}.memory`, memory),
    ...quantityFaults(`${path}.ephemeralStorage`, ephemeralStorage),
  ];
}

function quantityFaults(path: string, quantity: string | undefined): ArgumentFault[] {
  return quantity === undefined ? [] : textLike(path, quantity, QUANTITY, QUANTITY_RULE);
}

function tagFaults(args: DindJobTemplateArgs): ArgumentFault[] {
  return Object.entries(args.tags ?? {}).flatMap(([key, value]) => [
    ...(key === "queue" ? [{ path: "tags.queue", reason: "must be left out: the tag is made from queue" }] : []),
    ...textLike(`tags.${key}`, `${key}=${value}`, /^[^\s,=]+=[^\s,]+$/, "a key and a value without spaces and commas"),
  ]);
}

function envFaults(args: DindJobTemplateArgs): ArgumentFault[] {
  const names = [
    ...Object.keys(args.env ?? {}).map((name) => [`env.${name}`, name] as const),
    ...Object.keys(args.secretEnv ?? {}).map((name) => [`secretEnv.${name}`, name] as const),
  ];
  const reserved = [
    ...RESERVED_ENV,
    ...gitEnv(args.gitCredentials).map(({ name }) => name),
    ...(args.jobAcquisitionTokens === undefined ? [] : [JOB_TOKEN_ENV.name]),
  ];
  return names.flatMap(([path, name]) => [
    ...textLike(path, name, /^[A-Za-z_][A-Za-z0-9_]*$/, "named like an environment variable"),
    ...(reserved.includes(name) ? [{ path, reason: `must be left out: the template sets ${name} itself` }] : []),
    ...(path.startsWith("env.") && name in (args.secretEnv ?? {})
      ? [{ path, reason: "stands in env and in secretEnv; keep one" }]
      : []),
  ]);
}

function volumeFaults(args: DindJobTemplateArgs): ArgumentFault[] {
  const taken = ["builds", "docker-graph", "docker-socket", "lifeline", "git", "hooks", ...JOB_TOKEN_VOLUMES];
  return (args.volumes ?? []).flatMap(({ volume, mountPath }, index) => [
    ...textLike(`volumes[${index}].volume.name`, volume.name, DNS_LABEL, "a DNS label"),
    ...(taken.includes(volume.name)
      ? [
          {
            path: `volumes[${index}].volume.name`,
            reason: `must not be ${volume.name}: the template has one of that name`,
          },
        ]
      : []),
    ...textLike(`volumes[${index}].mountPath`, mountPath, /^\/[^:]*$/, "an absolute path"),
  ]);
}
