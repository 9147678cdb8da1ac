import type { FaultRow } from "./row";
import { BUILDKITE_ROWS } from "./rows-buildkite";
import { DISPATCHER_ROWS } from "./rows-dispatcher";
import { FULL_POOL_ROWS } from "./rows-full-pool";
import { KUBERNETES_API_ROWS } from "./rows-kubernetes-api";
import { KUBERNETES_NAMESPACE_ROWS } from "./rows-kubernetes-namespace";
import { KUBERNETES_POD_ROWS } from "./rows-kubernetes-pods";
import { WEBHOOK_ROWS } from "./rows-webhooks";

/** Every fault there is, in the order they are run. */
export const ROWS: readonly FaultRow[] = [
  ...WEBHOOK_ROWS,
  ...DISPATCHER_ROWS,
  ...KUBERNETES_API_ROWS,
  ...KUBERNETES_NAMESPACE_ROWS,
  ...KUBERNETES_POD_ROWS,
  ...FULL_POOL_ROWS,
  ...BUILDKITE_ROWS,
];

/** The rows whose name holds one of these pieces, in any case; all of them for none. */
export function selectRows(pieces: readonly string[], rows: readonly FaultRow[] = ROWS): FaultRow[] {
  const wanted = pieces.map((piece) => piece.toLowerCase());
  return rows.filter(({ name }) => wanted.length === 0 || wanted.some((piece) => name.toLowerCase().includes(piece)));
}
