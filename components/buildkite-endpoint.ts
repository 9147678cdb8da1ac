/** Buildkite's own address for agents and stacks. */
export const BUILDKITE_ENDPOINT = "https://agent.buildkite.com/v3";

/** {@link isEndpoint} in words. */
export const ENDPOINT_RULE =
  "an https:// address such as https://agent.buildkite.com/v3 (http:// only to an IP address, localhost or a Service of the cluster: the agent token crosses it in clear)";

/** Whether the agent token may be sent to this address. */
export function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) {
    return false;
  }
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  if (username !== "" || password !== "" || search !== "" || hash !== "") {
    return false;
  }
  const near = /^(localhost|\d+\.\d+\.\d+\.\d+|\[.*\]|[a-z0-9.-]+\.svc(\.cluster\.local)?)$/.test(hostname);
  return protocol === "https:" || (protocol === "http:" && near);
}
