import type { DispatcherMonitoringArgs, WebhookDispatcher } from "../components";
import type { Configuration } from "../config";

/** Alerts and dashboard: what the stack says of them; what must agree with the dispatcher is taken from it. */
export function monitoringArgsOf(
  config: Configuration,
  dispatcher: Pick<WebhookDispatcher, "namespace">,
): DispatcherMonitoringArgs {
  return {
    dispatcherNamespace: config.dispatcherNamespace,
    // The dispatcher's own is waited for: it is made in the same run.
    namespace: config.monitoringNamespace ?? dispatcher.namespace,
    alertRulesLabels: config.alertRulesLabels,
    dashboardLabels: config.dashboardLabels,
    replicas: config.dispatcherReplicas,
    reconcileSeconds: config.webhookOnly === true ? undefined : (config.reconcileSeconds ?? 10),
  };
}
