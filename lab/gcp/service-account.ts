import { createHash } from "node:crypto";
import { textOf, type Properties } from "../pulumi/provider-protocol/property-values";
import type { GcpContext, GcpResourceType } from "./resource-type";

function email(inputs: Properties, context: GcpContext): string {
  return `${textOf(inputs["accountId"])}@${context.project}.iam.gserviceaccount.com`;
}

/** `gcp:serviceaccount/account:Account`. */
export const serviceAccount: GcpResourceType = {
  token: "gcp:serviceaccount/account:Account",
  forceNew: ["accountId", "project"],
  computed: ["email", "member", "name", "uniqueId"],
  check(inputs) {
    inputs.required("accountId");
    inputs.string("accountId", {
      pattern: /^[a-z](?:[-a-z0-9]{4,28}[a-z0-9])$/,
      says: "must be 6-30 characters of a-z, 0-9 and '-', starting with a letter and not ending in '-'",
    });
    const displayName = inputs.string("displayName");
    if (displayName !== undefined && displayName.length > 100) {
      inputs.fail("displayName", `must be at most 100 characters, got ${displayName.length}`);
    }
  },
  id: (inputs, context) => `projects/${context.project}/serviceAccounts/${email(inputs, context)}`,
  outputs: (inputs, id, context) => ({
    project: context.project,
    email: email(inputs, context),
    member: `serviceAccount:${email(inputs, context)}`,
    name: id,
    uniqueId: BigInt(`0x${createHash("sha256").update(id).digest("hex").slice(0, 17)}`).toString(),
  }),
};

/** `gcp:projects/iAMMember:IAMMember`: one member of one role; nothing of it can be changed in place. */
export const projectIamMember: GcpResourceType = {
  token: "gcp:projects/iAMMember:IAMMember",
  forceNew: ["project", "role", "member", "condition"],
  computed: ["etag"],
  check(inputs) {
    inputs.required("project", "role", "member");
    inputs.string("role", {
      pattern: /^(roles\/.+|projects\/[^/]+\/roles\/.+|organizations\/[^/]+\/roles\/.+)$/,
      says: "must be roles/<name>, or a role of a project or an organization",
    });
    inputs.string("member", {
      pattern:
        /^(allUsers|allAuthenticatedUsers|(user|serviceAccount|group|domain|principal|principalSet|deleted):.+)$/,
      says: "must start with user:, serviceAccount:, group:, domain: or principal:",
    });
  },
  id: (inputs) => [inputs["project"], inputs["role"], inputs["member"]].map(textOf).join("/"),
  outputs: (_inputs, id) => ({ etag: createHash("sha256").update(id).digest("base64").slice(0, 12) }),
};
