import { createHash } from "node:crypto";
import { textOf } from "../pulumi/provider-protocol/property-values";
import type { GcpContext, GcpResourceType } from "./resource-type";

const NAME = {
  pattern: /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/,
  says: "must be 1-63 characters of a-z, 0-9 and '-', starting with a letter and not ending in '-'",
};
const CREATED = "2026-01-01T00:00:00.000-08:00";

function selfLink(context: GcpContext, id: string): string {
  return `https://www.googleapis.com/compute/v1/${id.replace(/^projects\/[^/]+/, `projects/${context.project}`)}`;
}

/** `gcp:compute/globalAddress:GlobalAddress`: one of 203.0.113.0/24, the block of documentation examples. */
export const globalAddress: GcpResourceType = {
  token: "gcp:compute/globalAddress:GlobalAddress",
  generatedName: "name",
  forceNew: [
    "name",
    "project",
    "address",
    "addressType",
    "description",
    "ipVersion",
    "network",
    "prefixLength",
    "purpose",
  ],
  computed: ["address", "creationTimestamp", "labelFingerprint", "selfLink"],
  check(inputs) {
    inputs.string("name", NAME);
    inputs.string("addressType", { oneOf: ["EXTERNAL", "INTERNAL"], says: "must be EXTERNAL or INTERNAL" });
    inputs.string("ipVersion", { oneOf: ["IPV4", "IPV6"], says: "must be IPV4 or IPV6" });
  },
  id: (inputs, context) => `projects/${context.project}/global/addresses/${textOf(inputs["name"])}`,
  outputs: (inputs, id, context) => ({
    project: context.project,
    address: inputs["address"] ?? `203.0.113.${((createHash("sha256").update(id).digest()[0] ?? 0) % 254) + 1}`,
    creationTimestamp: CREATED,
    labelFingerprint: "42WmSpB8rSM=",
    selfLink: selfLink(context, id),
  }),
};

/** `gcp:compute/managedSslCertificate:ManagedSslCertificate`. */
export const managedSslCertificate: GcpResourceType = {
  token: "gcp:compute/managedSslCertificate:ManagedSslCertificate",
  generatedName: "name",
  forceNew: ["name", "project", "managed", "description", "type"],
  computed: ["certificateId", "creationTimestamp", "expireTime", "selfLink", "subjectAlternativeNames"],
  check(inputs) {
    inputs.string("name", NAME);
    const domains = inputs.list("managed.domains");
    if (inputs.has("managed") && (domains.length === 0 || domains.length > 100)) {
      inputs.fail("managed.domains", `must name 1 to 100 domains, got ${domains.length}`);
    }
    domains.forEach((_, index) => {
      inputs.string(`managed.domains.${index}`, {
        pattern: /^(?=.{1,253}\.?$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\.?$/,
        says: "must be a domain name without wildcards",
      });
    });
  },
  id: (inputs, context) => `projects/${context.project}/global/sslCertificates/${textOf(inputs["name"])}`,
  outputs: (_inputs, id, context) => ({
    project: context.project,
    certificateId: createHash("sha256").update(id).digest().readUInt32BE(0),
    creationTimestamp: CREATED,
    // Empty until Google has issued it, which takes longer than the create.
    expireTime: "",
    selfLink: selfLink(context, id),
    subjectAlternativeNames: [],
    type: "MANAGED",
  }),
};
