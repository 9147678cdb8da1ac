import { JOB_TOKEN_AUDIENCE } from "../../components/contract";
import { fieldsOf } from "../fields";

/** What a service account token says of itself; nobody has vouched for it yet. */
export interface Claims {
  readonly podName: string;
  readonly podUid: string;
}

/**
 * Reads a projected service account token without checking it: what cannot be right is refused without a question to the
 * API server. What it says is used for nothing else.
 *
 * @returns undefined for what is no token of a pod of that namespace for our audience.
 */
export function readClaims(token: string, namespace: string): Claims | undefined {
  const payload = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token)?.[1];
  if (payload === undefined) {
    return undefined;
  }
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  const { aud, sub, "kubernetes.io": bound } = fieldsOf(claims);
  const { name, uid } = fieldsOf(fieldsOf(bound)["pod"]);
  const forUs = Array.isArray(aud) && aud.length === 1 && aud[0] === JOB_TOKEN_AUDIENCE;
  const fromThere = typeof sub === "string" && sub.startsWith(`system:serviceaccount:${namespace}:`);
  return forUs && fromThere && typeof name === "string" && typeof uid === "string"
    ? { podName: name, podUid: uid }
    : undefined;
}
