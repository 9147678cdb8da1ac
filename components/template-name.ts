import { createHash } from "node:crypto";
import { DNS_LABEL } from "./argument-rules";

/**
 * The PodTemplate's name for a queue: the key itself where that is a DNS label, else made like one, with eight hex
 * digits of the key's SHA-256 behind it. A pure function of the key: Jobs, policies and the dispatcher refer to it.
 */
export function templateNameFor(queue: string): string {
  if (DNS_LABEL.test(queue)) {
    return queue;
  }
  const hash = createHash("sha256").update(queue).digest("hex").slice(0, 8);
  const safe = queue
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 54);
  return `${safe}${safe === "" ? "" : "-"}${hash}`;
}
