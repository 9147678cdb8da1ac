import { DEFAULT_JOB_QUOTA } from "../components/agents-namespace";
import { tlsPairFault } from "../components/tls-pair";
import { setCommand } from "./config-faults";
import type { StackValues } from "./config-table";

const GKE_KEYS: (keyof StackValues)[] = [
  "clusterName",
  "clusterLocation",
  "clusterStack",
  "machineType",
  "spot",
  "diskSizeGb",
  "diskType",
  "zones",
  "nodeServiceAccountId",
];
const LOCAL_KEYS: (keyof StackValues)[] = ["kubeconfig", "context", "allowGkeContext"];
const LOCAL_REQUIRED: (keyof StackValues)[] = ["kubeconfig", "context"];

/** The rules between keys that a stack breaks: each says both sides of the conflict. Pure. */
export function contradictions(values: StackValues, stack: string, project: string | undefined): string[] {
  const exposure = values.exposure ?? "none";
  const queues = values.queues ?? [];
  const set = (keys: (keyof StackValues)[]) => keys.filter((key) => values[key] !== undefined);
  const faults: string[] = [];
  const only = (keys: (keyof StackValues)[], condition: boolean, needs: string, now: string) => {
    for (const key of set(keys)) {
      if (!condition) {
        faults.push(`${key} is for ${needs}, but ${now}: remove ${key} or change the other`);
      }
    }
  };
  only(GKE_KEYS, values.target === "gke", "target gke", `target is ${values.target}`);
  only(LOCAL_KEYS, values.target === "local", "target local", `target is ${values.target}`);
  only(
    ["jobsPerNode", "reconcileSeconds", "buildkiteEndpoint", "jobAcquisitionTokens"],
    values.webhookOnly !== true,
    "a dispatcher that asks Buildkite",
    "webhookOnly is true",
  );
  if (values.webhookOnly === true && exposure === "none" && values.target === "gke") {
    faults.push(
      "webhookOnly needs webhooks, but exposure is none, so that none arrives: set exposure, or set webhookOnly to false",
    );
  }
  only(
    ["monitoringNamespace", "alertRulesLabels", "dashboardLabels"],
    values.monitoring === true,
    "monitoring true",
    `monitoring is ${values.monitoring ?? false}`,
  );
  only(["host"], exposure === "ingress", "exposure ingress", `exposure is ${exposure}`);
  only(
    ["internal", "tlsCertificate", "tlsKey"],
    exposure === "load-balancer",
    "exposure load-balancer",
    `exposure is ${exposure}`,
  );
  if (values.target === "gke") {
    if (project === undefined) {
      faults.push(
        "gcp:project is missing: target gke needs it; set it with: pulumi config set gcp:project <project id>",
      );
    }
    const named = values.clusterName !== undefined && values.clusterLocation !== undefined;
    if (values.clusterStack !== undefined && set(["clusterName", "clusterLocation"]).length > 0) {
      faults.push("clusterStack and clusterName/clusterLocation are both set: keep one of the two ways");
    } else if (values.clusterStack === undefined && !named) {
      faults.push("clusterName and clusterLocation (or clusterStack) are missing: set both with pulumi config set");
    }
  } else {
    for (const key of LOCAL_REQUIRED.filter((name) => values[name] === undefined)) {
      faults.push(`${key} is missing: target local needs it; ${setCommand([key])}`);
    }
    if (values.context?.startsWith("gke_") === true && values.allowGkeContext !== true) {
      faults.push(
        `context must not be a GKE cluster's with target local, got ${JSON.stringify(values.context)}: use target gke, or set allowGkeContext to true`,
      );
    }
    if (exposure === "ingress") {
      faults.push("exposure ingress needs target gke (it reserves a Google address), but target is local");
    }
  }
  if (exposure === "ingress" && values.host === undefined) {
    faults.push("host is missing: exposure ingress needs the DNS name that Buildkite calls");
  }
  if ((values.tlsCertificate === undefined) !== (values.tlsKey === undefined)) {
    faults.push("tlsCertificate and tlsKey belong together: set both, the key with pulumi config set --secret tlsKey");
  } else if (exposure === "load-balancer" && values.internal !== true && values.tlsKey === undefined) {
    faults.push(
      "exposure load-balancer needs internal: true or tlsCertificate and tlsKey: webhooks carry build environment and would cross the internet in clear",
    );
  }
  faults.push(...tlsFaults(values), ...quotaFaults(values));
  if (values.gitHttpsCredentials !== undefined && values.gitSshKey !== undefined) {
    faults.push("gitHttpsCredentials and gitSshKey are both set: git uses one of them, remove the other");
  }
  const dispatcher = values.dispatcherNamespace ?? `buildkite-${stack}-dispatcher`;
  const agents = values.agentsNamespace ?? `buildkite-${stack}-agents`;
  if (values.monitoringNamespace === agents) {
    faults.push(
      `monitoringNamespace and agentsNamespace are both ${agents}: nothing but builds is there, choose where the sidecars look`,
    );
  }
  if (dispatcher === agents) {
    faults.push(
      `dispatcherNamespace and agentsNamespace are both ${dispatcher}: build pods are privileged, keep them apart`,
    );
  }
  for (const { key } of queues.filter(
    ({ agentMode }) => values.jobAcquisitionTokens === true && agentMode === "queue",
  )) {
    faults.push(
      `jobAcquisitionTokens gives each pod a token for one job, but queue ${key} has agentMode queue: set its agentMode to acquire, or jobAcquisitionTokens to false`,
    );
  }
  const keys = queues.map(({ key }) => key);
  for (const key of new Set(keys.filter((name, index) => keys.indexOf(name) !== index))) {
    faults.push(`queues holds ${key} twice: one entry for each queue`);
  }
  if (queues.filter((queue) => queue.default === true).length > 1) {
    faults.push("queues holds more than one with default: true: a job without a queue can go to one only");
  }
  return faults;
}

function tlsFaults({ tlsCertificate, tlsKey }: StackValues): string[] {
  const fault = tlsCertificate === undefined || tlsKey === undefined ? undefined : tlsPairFault(tlsCertificate, tlsKey);
  return fault === undefined
    ? []
    : [
        `${fault.field === "key" ? "tlsKey" : "tlsCertificate"} ${fault.reason}: set both again, with: ` +
          "pulumi config set tlsCertificate < tls.crt and pulumi config set --secret tlsKey < tls.key",
      ];
}

/** With webhookOnly the quota is the only limit there is, and so any number is right. */
function quotaFaults({ webhookOnly, jobQuota, maxNodes, jobsPerNode = 1 }: StackValues): string[] {
  const most = maxNodes * jobsPerNode;
  return webhookOnly === true || (jobQuota ?? DEFAULT_JOB_QUOTA) >= most
    ? []
    : [
        `jobQuota is ${jobQuota ?? `${DEFAULT_JOB_QUOTA} (the default)`}, but maxNodes ${maxNodes} × jobsPerNode ${jobsPerNode} allow ${most} Jobs at one time: ` +
          "builds would be held at the quota instead of waiting at Buildkite; " +
          `set jobQuota to ${most} or more, for finished Jobs count, too, or lower maxNodes or jobsPerNode`,
      ];
}
