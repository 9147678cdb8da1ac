/**
 * The shell that stands before the official entrypoints, for `sh` of any kind (busybox in docker:dind and in Alpine).
 * Pure texts: they are part of the pod, and every pod of a template is the same.
 */

/** Where the FIFOs of `shared-volume` lie: read-only in dind. */
export const LIFELINE_PATH = "/run/lifeline";

/** How long dockerd may take to answer, in seconds: 60 were not enough on loaded nodes (peers: ARC #3201, elastic #256). */
export const ENGINE_READY_SECONDS = 120;

/** How long dind waits for an agent whose image is still being pulled, in seconds. */
const AGENT_START_SECONDS = 600;

/**
 * Adds to dockerd's arguments what only the pod can know. Both bridges take the MTU of the pod's interface: `--mtu`
 * alone leaves user-defined networks at 1500 (ARC #848).
 */
const MTU_OPTIONS = [
  "mtu=$(cat /sys/class/net/eth0/mtu)",
  'set -- "$@" --mtu="$mtu" --default-network-opt="bridge=com.docker.network.driver.mtu=$mtu"',
];

/**
 * On cgroup v2 a privileged container sees the node's whole cgroup tree, and dockerd would put its containers beside the
 * pod; on v1 it sees no more than its own, and they are inside it anyway.
 */
const POD_CGROUP_OPTIONS = [
  "if [ -f /sys/fs/cgroup/cgroup.controllers ]; then",
  "  cgroup=$(sed -n 's/^0:://p' /proc/self/cgroup)",
  '  case "$cgroup" in',
  '    /*/*) set -- "$@" --cgroup-parent="${cgroup%/*}" ;;',
  '    *) echo "dind: innerCgroups is pod, but the pod\'s cgroup cannot be seen from here: $cgroup" >&2; exit 1 ;;',
  "  esac",
  "fi",
];

/**
 * The kubelet makes a pod's processes likely victims (958 of 1000 in a usual one), while dockerd's containers start at 0: a
 * build that takes too much memory would cost dockerd its life, and the hog would live on. Equal, the largest goes.
 */
const OOM_SCORE = "echo 0 2>/dev/null >/proc/self/oom_score_adj || :";

/** What both modes do at the end of the agent, and how they start dockerd. */
function engineScript(innerCgroups: "engine" | "pod", stopSeconds: number): string[] {
  return [
    OOM_SCORE,
    ...MTU_OPTIONS,
    ...(innerCgroups === "pod" ? POD_CGROUP_OPTIONS : []),
    "leave() {",
    // Only the build's containers are worth a stop in order. dockerd is not: it would wait longer for them than it was told
    // (for each its own time-out and 5 s more), and then a second for its containerd (moby, stopDaemon).
    "  inside=$(timeout 5 docker ps --quiet 2>/dev/null) || inside=",
    `  [ -z "$inside" ] || timeout ${stopSeconds + 2} docker stop -t ${stopSeconds} $inside >/dev/null 2>&1 || :`,
    "  exit 0",
    "}",
  ];
}

/** docker-init is not the first process then, so it is told to adopt what its children leave behind. */
const START_ENGINE = ['TINI_SUBREAPER=1 dockerd-entrypoint.sh "$@" &', "engine=$!"];

/**
 * dind as a native sidecar. The kubelet sends it SIGTERM once the agent has ended, however it ended: the shell stays as
 * first process to leave at once. A dockerd that dies by itself is the container's end, and the kubelet starts it anew.
 *
 * @param stopSeconds from SIGTERM to SIGKILL for the containers that still run inside.
 */
export function nativeDindScript(innerCgroups: "engine" | "pod", stopSeconds: number): string {
  return [...engineScript(innerCgroups, stopSeconds), "trap leave TERM", ...START_ENGINE, 'wait "$engine"'].join("\n");
}

/** Ends well as soon as dockerd answers: a probe that waits sees it sooner than one that is repeated every second. */
export const ENGINE_PROBE = "until docker info >/dev/null 2>&1; do sleep 0.05; done";

/**
 * dind beside an agent that it watches by a FIFO. The kernel closes the agent's end whatever the agent died of, and dind
 * reads the end of file. As first process the shell hears no SIGTERM without a trap: once there is an agent it must not,
 * for a pod that is deleted still needs its engine until the agent has left.
 *
 * @param stopSeconds from SIGTERM to SIGKILL for the containers that still run inside.
 */
export function sharedVolumeDindScript(innerCgroups: "engine" | "pod", stopSeconds: number): string {
  return [
    ...engineScript(innerCgroups, stopSeconds),
    `cd ${LIFELINE_PATH}`,
    'alive() { kill -0 "$1" 2>/dev/null; }',
    'give_up() { echo "dind: $1" >&2; exit 1; }',
    "began=$(date +%s)",
    'limit() { [ $(($(date +%s) - began)) -lt "$1" ] || give_up "$2 within $1 s"; }',
    "trap 'exit 0' TERM",
    ...START_ENGINE,
    // Also with a dockerd that has died: the agent hears of it only through the FIFO.
    "until [ -p agent ]; do",
    `  limit ${AGENT_START_SECONDS} "the agent did not start"`,
    "  sleep 0.05",
    "done",
    // Pulling the agent's image must not eat up dockerd's time: one slow answer would be one too many.
    "began=$(date +%s)",
    // Opened for both at first: that never blocks, also when the agent has died in between.
    "exec 6<>ready 8<>agent 7<agent 8>&-",
    "cat <&7 >/dev/null 6>&- &",
    "agent=$!",
    "until timeout 5 docker info >/dev/null 2>&1; do",
    '  alive "$engine" || give_up "dockerd ended before it answered"',
    '  alive "$agent" || exit 0',
    `  limit ${ENGINE_READY_SECONDS} "dockerd did not answer"`,
    "  sleep 0.05",
    "done",
    "trap - TERM",
    "echo ready >&6",
    '(while alive "$engine"; do sleep 1; done; kill "$agent") 2>/dev/null &',
    'wait "$agent" || give_up "dockerd ended while the agent was running"',
    "leave",
  ].join("\n");
}

/**
 * The agent beside such a dind: holds the FIFO's write end for life, waits until dockerd answers, then becomes the
 * official entrypoint with the descriptor still open. It gives up when dind is gone or takes too long.
 */
export const SHARED_VOLUME_AGENT_SCRIPT = [
  `lifeline=${LIFELINE_PATH}`,
  'mkfifo -m 600 "$lifeline/ready" "$lifeline/opening"',
  // It gets its name when it is held: dind must never find it without a writer.
  'exec 9<>"$lifeline/opening"',
  'mv "$lifeline/opening" "$lifeline/agent"',
  "trap 'exit 1' TERM QUIT",
  // dind counts from the same moment and says why; its last try may take 5 s more.
  `timeout ${ENGINE_READY_SECONDS + 10} grep -q ready "$lifeline/ready" 9>&- &`,
  "wait $! || {",
  '  echo "agent: dockerd did not become ready, so no job was started; container dind says why" >&2',
  "  exit 1",
  "}",
  "trap - TERM QUIT",
  'exec buildkite-agent-entrypoint "$@"',
].join("\n");
