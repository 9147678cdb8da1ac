import type * as k8s from "@pulumi/kubernetes";
import { JOB_TOKEN_AUDIENCE, JOB_TOKEN_CONTAINER } from "./contract";
import type { JobTokenSource } from "./job-token-source";

type Container = k8s.types.input.core.v1.Container;
type Volume = k8s.types.input.core.v1.Volume;
type VolumeMount = k8s.types.input.core.v1.VolumeMount;

/** In memory: the agent's configuration file with its token. */
const TOKEN_PATH = "/run/job-token";
/** What the pod shows the dispatcher, and what it trusts it by: only in the init container. */
const REQUEST_PATH = "/run/job-token-request";

/** How long a pod asks for its token before it gives up, in seconds. */
const ASK_SECONDS = 300;

/** The agent's configuration file, and how the agent is told of it. */
export const JOB_TOKEN_ENV = {
  name: "BUILDKITE_AGENT_CONFIG",
  value: `${TOKEN_PATH}/buildkite-agent.cfg`,
} as const;

/** Where the agent reads it. */
export const JOB_TOKEN_MOUNT: VolumeMount = { name: "job-token", mountPath: TOKEN_PATH, readOnly: true };

/** Names that a caller's volumes must leave alone. */
export const JOB_TOKEN_VOLUMES: readonly string[] = ["job-token", "job-token-request"];

/**
 * For `sh` of any kind, in the agent's own image: curl is in the official ones. Everything secret goes through files in
 * memory: an argument or a variable could be seen by others. curl and the waits are in the background, because a shell that
 * is the first process hears a SIGTERM between its commands only.
 */
const SCRIPT = [
  `cd ${TOKEN_PATH}`,
  "umask 077",
  "trap 'exit 1' TERM",
  'say() { echo "job-token: $1" >&2; }',
  "command -v curl >/dev/null || { say 'there is no curl in the image of the agent: use one that has it'; exit 1; }",
  "began=$(date +%s)",
  "wait=1",
  "while :; do",
  "  rm -f answer headers",
  "  curl --disable --silent --show-error --proto =https --noproxy '*' --connect-timeout 5 --max-time 60 \\",
  "    --max-filesize 16384 \\",
  `    --cacert ${REQUEST_PATH}/ca.crt --data-binary @${REQUEST_PATH}/token --header 'Content-Type: text/plain' \\`,
  "    --dump-header headers --output answer --write-out '%{http_code}' \"$1\" >status &",
  "  wait $! || echo 000 >status",
  "  status=$(cat status)",
  "  words=$(head -c 500 answer 2>/dev/null | tr -cd ' -~') || words=",
  '  case "$status" in',
  "    200) break ;;",
  "    000 | 408 | 429 | 5??) ;;",
  '    *) say "the dispatcher gives this pod no token, so no build is started ($status): $words"; exit 1 ;;',
  "  esac",
  `  if [ $(($(date +%s) - began)) -ge ${ASK_SECONDS} ]; then`,
  `    say "no token within ${ASK_SECONDS} s, so no build is started; last answer: $status $words"`,
  "    exit 1",
  "  fi",
  "  hint=$(sed -n 's/^[Rr]etry-[Aa]fter: *\\([0-9]\\{1,2\\}\\)[^0-9]*$/\\1/p' headers 2>/dev/null) || hint=",
  '  say "no token yet ($status): $words"',
  "  random=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')",
  '  [ "${hint:-0}" -le "$wait" ] || wait=$hint',
  // By up to as much again: pods that were turned away together do not come back together.
  '  sleep "$((wait + random % (wait + 1))).$((random % 10))" &',
  "  wait $! || :",
  "  wait=$((wait < 8 ? wait * 2 : 15))",
  "done",
  "token=$(cat answer)",
  "rm -f answer headers status",
  'case "$token" in',
  "  '' | *[!A-Za-z0-9._~+/=-]*) say 'the answer is no token, so no build is started'; exit 1 ;;",
  "esac",
  // printf is the shell's own: nothing shows in the list of processes.
  "{",
  "  grep -v '^ *token *=' \"${BUILDKITE_AGENT_CONFIG:-/buildkite/buildkite-agent.cfg}\" || :",
  '  printf \'token="%s"\\n\' "$token"',
  "} >buildkite-agent.cfg",
].join("\n");

/**
 * The init container that fetches the pod's job acquisition token and writes it, in memory, to the end of the image's own
 * configuration of the agent. It alone sees the service account token, which is good for nothing but asking.
 */
export function jobTokenContainer(image: string, { url }: JobTokenSource): Container {
  return {
    name: JOB_TOKEN_CONTAINER,
    image,
    command: ["/bin/sh", "-euc", SCRIPT, "sh"],
    args: [url],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
    // Less than the agent's own, so that the pod asks for no more than without it.
    resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "64Mi" } },
    volumeMounts: [
      { name: "job-token", mountPath: TOKEN_PATH },
      { name: "job-token-request", mountPath: REQUEST_PATH, readOnly: true },
    ],
  };
}

/** The volumes of that container, the first of them the agent's, too. */
export function jobTokenVolumes({ caConfigMap }: JobTokenSource): Volume[] {
  return [
    { name: "job-token", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
    {
      name: "job-token-request",
      projected: {
        sources: [
          { serviceAccountToken: { path: "token", audience: JOB_TOKEN_AUDIENCE, expirationSeconds: 600 } },
          // Optional: a pod without it says so and ends, instead of waiting for it for hours. curl trusts nobody then.
          { configMap: { name: caConfigMap, optional: true, items: [{ key: "ca.crt", path: "ca.crt" }] } },
        ],
      },
    },
  ];
}
