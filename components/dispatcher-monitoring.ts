import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import {
  type ArgumentFault,
  DNS_LABEL,
  integerWithin,
  LABEL_KEY,
  LABEL_VALUE,
  refuseFaults,
  textLike,
} from "./argument-rules";
import { MANAGED_BY_LABEL, PROJECT } from "./contract";
import { ruleFile } from "./monitoring/alert-rules";
import { dashboard } from "./monitoring/dashboard";

/** Arguments of {@link DispatcherMonitoring}. */
export interface DispatcherMonitoringArgs {
  /** Namespace of the dispatcher that the alerts and the dashboard are about; Prometheus has it as label `namespace`. */
  readonly dispatcherNamespace: string;
  /** Namespace of the two ConfigMaps, where the sidecars look; it exists already. Default: the dispatcher's. */
  readonly namespace?: pulumi.Input<string>;
  /** What the sidecar of Prometheus looks for. Default `prometheus_rule: "1"`. */
  readonly alertRulesLabels?: Readonly<Record<string, string>>;
  /** What the sidecar of Grafana looks for. Default `grafana_dashboard: "1"`, as in Grafana's Helm chart. */
  readonly dashboardLabels?: Readonly<Record<string, string>>;
  /** Replicas of the dispatcher, as WebhookDispatcher has them. Default 2. */
  readonly replicas?: number;
  /**
   * Seconds from one list at Buildkite to the next, as WebhookDispatcher has them. Default: none, and no alerts on what
   * only Buildkite knows.
   */
  readonly reconcileSeconds?: number;
}

/** Label that a sidecar of Prometheus looks for, unless it is told another; its chart has no default. */
const ALERT_RULES_LABELS = { prometheus_rule: "1" } as const;
/** Label that the sidecar in Grafana's Helm chart looks for. */
const DASHBOARD_LABELS = { grafana_dashboard: "1" } as const;

/**
 * Alert rules for Prometheus and a dashboard for Grafana, each in a ConfigMap with the label that the usual sidecars look
 * for. Neither Prometheus nor Grafana is made here.
 *
 * Names are fixed and contents change in place: a sidecar that saw the old one go after the new one had come would remove
 * the file that both are.
 */
export class DispatcherMonitoring extends pulumi.ComponentResource {
  /** Name of the ConfigMap with the alert rules. */
  public readonly alertRulesName: pulumi.Output<string>;
  /** Name of the ConfigMap with the dashboard. */
  public readonly dashboardName: pulumi.Output<string>;

  /** @throws pulumi.InputPropertiesError listing each argument that breaks its rule, before anything is created. */
  constructor(name: string, args: DispatcherMonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super(`${PROJECT}:index:DispatcherMonitoring`, name, args, opts);
    refuseFaults(`DispatcherMonitoring ${name}`, faultsOf(args));
    const { dispatcherNamespace: of, reconcileSeconds, replicas = 2 } = args;
    const configMap = (part: string, labels: Readonly<Record<string, string>>, file: string, content: string) =>
      new k8s.core.v1.ConfigMap(
        `${name}-${part}`,
        {
          metadata: {
            name: `${of}-${part}`,
            namespace: args.namespace ?? of,
            labels: { [MANAGED_BY_LABEL]: PROJECT, ...labels },
          },
          // Sidecars put the files of all namespaces into one folder.
          data: { [`${of}-${file}`]: content },
        },
        { parent: this },
      ).metadata.name;
    this.alertRulesName = configMap(
      "alert-rules",
      args.alertRulesLabels ?? ALERT_RULES_LABELS,
      "alert-rules.yaml",
      ruleFile({ namespace: of, replicas, reconcileSeconds }),
    );
    this.dashboardName = configMap(
      "dashboard",
      args.dashboardLabels ?? DASHBOARD_LABELS,
      "dashboard.json",
      JSON.stringify(dashboard(of), undefined, 1),
    );
    this.registerOutputs({ alertRulesName: this.alertRulesName, dashboardName: this.dashboardName });
  }
}

function faultsOf(args: DispatcherMonitoringArgs): ArgumentFault[] {
  const { dispatcherNamespace, namespace, alertRulesLabels = {}, dashboardLabels = {} } = args;
  const name = "a DNS label: 1 to 63 lower-case letters, digits and dashes";
  return [
    ...textLike("dispatcherNamespace", dispatcherNamespace, DNS_LABEL, name),
    ...(typeof namespace === "string" ? textLike("namespace", namespace, DNS_LABEL, name) : []),
    ...labelFaults("alertRulesLabels", alertRulesLabels),
    ...labelFaults("dashboardLabels", dashboardLabels),
    ...integerWithin("replicas", args.replicas ?? 2, 1, 10),
    ...integerWithin("reconcileSeconds", args.reconcileSeconds ?? 10, 1, 60),
  ];
}

function labelFaults(path: string, labels: Readonly<Record<string, string>>): ArgumentFault[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...textLike(`${path}: key`, key, LABEL_KEY, "a Kubernetes label key"),
    ...textLike(`${path}.${key}`, value, LABEL_VALUE, "a Kubernetes label value"),
  ]);
}
