import { once } from "node:events";
import type { Run } from "./sequence";

/** Leaves everything running until Ctrl-C, and says how to use it. */
export async function keepRunning({ system, signal }: Run, print: (line: string) => void): Promise<void> {
  const [dispatcher] = system.dispatcherPods.targets();
  print(`
Everything keeps running until Ctrl-C, which then cleans up.

  kubeconfig   export KUBECONFIG=${system.controlPlane.kubeconfigPath}
               kubectl get jobs,pods -n buildkite-dev-agents   (kubectl is not part of the lab)
  webhook      ${dispatcher ?? "no dispatcher is ready"}/webhook   (signed webhooks only)
  a build      curl -s ${system.buildkite.url}/builds -d '{"queue": "default", "seconds": 20}'
  all builds   curl -s ${system.buildkite.url}/builds
`);
  if (!signal.aborted) {
    await once(signal, "abort");
  }
}
