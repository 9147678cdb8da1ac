import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { AdministratorAccess } from "../control-plane";
import type { BenchOptions } from "./options";
import type { Sizes } from "./scenarios";

/** What every scenario is given. */
export interface BenchContext {
  readonly options: BenchOptions;
  readonly sizes: Sizes;
  readonly admin: KubernetesClient;
  readonly access: AdministratorAccess;
  /** The control plane's processes whose CPU time is told, by command. */
  readonly processes: ReadonlyMap<string, number>;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  /** A name that no namespace has. */
  namespace(): string;
}
