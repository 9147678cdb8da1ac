import { whyNoPackages } from "../../lab/debian";
import { whyNoNamespaces } from "../../lab/namespaces";

/** Skips what needs a real node where this machine cannot hold one; the reason stands above the closing line. */
export function needsRealNode(context: Mocha.Context): void {
  const reason = whyNoNamespaces() ?? whyNoPackages();
  if (reason !== undefined) {
    Object.assign(context, { skipReason: reason });
    context.skip();
  }
}
