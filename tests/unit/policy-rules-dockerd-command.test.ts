import { nativeDindScript, sharedVolumeDindScript } from "../../components/sidecar-scripts";
import { dindUnixSocket } from "../../policy/rules/dind-unix-socket";
import { dindPod } from "../policy/dind-pod";
import { allows, refuses } from "../policy/verdicts";

const ENTRYPOINT = /container dind: its first argument is not dockerd/;
const TCP = /container dind: dockerd is told to listen on tcp:\/\/\./;
const UNKNOWN = /told to listen on an address that is no unix:\/\/ one\./;

/** dind started by these words and no arguments of its own. */
function started(...command: string[]) {
  return dindPod({ command, args: undefined });
}

function script(text: string, ...args: string[]) {
  return dindPod({ command: ["sh", "-c", text], args: args.length === 0 ? undefined : ["sh", ...args] });
}

describe("dind-unix-socket-only, on what starts dockerd", () => {
  for (const command of [
    ["docker-init", "--", "dockerd-entrypoint.sh"],
    ["sh", "/usr/local/bin/dockerd-entrypoint.sh"],
    ["sh", "-e", "/usr/local/bin/dockerd-entrypoint.sh", "--mtu=1400"],
    ["env", "X=1", "dockerd-entrypoint.sh"],
    ["/usr/bin/tini", "--", "sh", "-c", "dockerd-entrypoint.sh"],
    ["nice", "-n", "5", "bash", "-eo", "pipefail", "-c", "exec dockerd-entrypoint.sh --debug"],
    ["busybox", "sh", "-c", "dockerd-entrypoint.sh"],
    ["su", "rootless", "-c", "dockerd-entrypoint.sh --debug"],
    ["dockerd-entrypoint.sh", "sh", "-c", "dockerd-entrypoint.sh"],
    ["sh", "-c", "sh -c 'dockerd-entrypoint.sh'"],
  ]) {
    it(`refuses the entrypoint alone: ${command.join(" ")}`, () => {
      refuses(dindUnixSocket, started(...command), ENTRYPOINT);
    });
  }

  for (const command of [
    ["/usr/bin/tini", "--", "sh", "-c", "dockerd -H tcp://0.0.0.0:1234"],
    ["/usr/bin/env", "X=1", "dockerd", "-H", "tcp://0.0.0.0:1234"],
    ["tini", "--", "dind", "dockerd", "--host=tcp://0.0.0.0:1234"],
    ["dockerd-entrypoint.sh", "sh", "-c", "dockerd --host=tcp://0.0.0.0:1234"],
    ["su", "-c", "dockerd -DH tcp://0.0.0.0:1234"],
    ["env", "-i", "-u", "A", "B=1", "setsid", "-w", "chroot", "/host", "dockerd", "-H", "tcp://0.0.0.0:1234"],
  ]) {
    it(`refuses a TCP address behind a wrapper: ${command.join(" ")}`, () => {
      refuses(dindUnixSocket, started(...command), TCP);
    });
  }

  for (const text of [
    "dockerd -H=tcp://0.0.0.0:1234",
    "dockerd -H tcp://0.0.0.0:1234",
    "dockerd -Htcp://0.0.0.0:1234",
    'exec dockerd --host="tcp://0.0.0.0:1234"',
    "exec dockerd '--host' 'tcp://0.0.0.0:1234'",
    'exec dockerd -H "unix:///x" "-H" "tcp://0.0.0.0:1234"',
    "(dockerd --host=unix:///x --host=tcp://0.0.0.0:1234 &)",
    "if true; then { dockerd -H tcp://0.0.0.0:1234; }; fi",
    "dockerd --host=unix:///x \\\n  --host=tcp://0.0.0.0:1234 &\nwait",
    "dockerd --mtu=$(cat /sys/class/net/eth0/mtu) --host=tcp://0.0.0.0:1234",
    'dockerd --mtu="$(cat "/sys/class/net/eth0/mtu")" --host=tcp://0.0.0.0:1234',
    "dockerd --mtu=`cat /sys/class/net/eth0/mtu` --host=tcp://0.0.0.0:1234",
    "dockerd >/var/log/dockerd.log 2>&1 --host=tcp://0.0.0.0:1234 & wait",
    "x=$(dockerd -H tcp://0.0.0.0:1234)",
    'OPTS="--host=tcp://0.0.0.0:1234 --debug"; dockerd $OPTS',
    'OPTS=--debug; OPTS="$OPTS -H tcp://0.0.0.0:1234"\nexec dockerd $OPTS',
    'set -- --host=tcp://0.0.0.0:1234; exec dockerd "$@"',
    "exec dockerd ${OPTS:---host=tcp://0.0.0.0:1234}",
    'exec dockerd ${OPTS:-"--host=tcp://0.0.0.0:1234"}',
    "exec dockerd ${TLS:+--tls --host=tcp://0.0.0.0:1234}",
    "eval 'dockerd -H tcp://0.0.0.0:1234'",
    "dockerd-entrypoint.sh dockerd --host=unix:///x & dockerd -H tcp://0.0.0.0:1234",
  ]) {
    it(`refuses a TCP address in a script: ${text}`, () => {
      refuses(dindUnixSocket, script(text), TCP);
    });
  }

  for (const text of [
    "dockerd-entrypoint.sh &\nwait",
    "dockerd-entrypoint.sh >/dev/null 2>&1 & wait",
    "dockerd-entrypoint.sh --debug; true",
    "dockerd-entrypoint.sh | tee dockerd",
    "dockerd-entrypoint.sh # dockerd --host=unix:///x",
    "X=1 /usr/local/bin/dockerd-entrypoint.sh && echo dockerd",
    'dockerd-entrypoint.sh "$@"',
    // It may begin with an option.
    "dockerd-entrypoint.sh $OPTS",
    "dockerd-entrypoint.sh $(options)",
  ]) {
    it(`refuses the entrypoint alone in a script: ${text}`, () => {
      refuses(dindUnixSocket, script(text), ENTRYPOINT);
    });
  }

  for (const [text, ...args] of [
    ['exec dockerd --host="unix:///run/dind/docker.sock"'],
    ["exec dockerd '--host=unix:///run/dind/docker.sock'"],
    ['dockerd -H "unix:///run/dind/docker.sock" & wait'],
    ['dockerd-entrypoint.sh dockerd --host=unix:///x & curl -H "A: b" http://x'],
    ["curl -H 'A: b' http://x; dockerd-entrypoint.sh dockerd --host=unix:///x"],
    ["dockerd-entrypoint.sh \\\n  dockerd \\\n  --host=unix:///x &\nwait"],
    ["dockerd-entrypoint.sh 'dockerd' >/dev/null 2>&1 --host=unix:///x & wait"],
    ["until pgrep -f dockerd-entrypoint.sh; do sleep 1; done"],
    ['dockerd --host=unix:///x & docker -H "tcp://elsewhere:1234" info'],
    ['H="unix:///x"; dockerd --host="$H"'],
    ['set -- dockerd --host=unix:///x; exec dockerd-entrypoint.sh "$@"'],
    ['exec "$0" "$@"', "dockerd", "--host=unix:///x"],
    ['exec dockerd-entrypoint.sh "$@"', "dockerd", "--host=unix:///x"],
    ['exec dockerd-entrypoint.sh "${@}" --mtu="$(cat /sys/class/net/eth0/mtu)"', "dockerd", "--host=unix:///x"],
    ["exec dockerd-entrypoint.sh $1 $2", "dockerd", "--host=unix:///x"],
    ["dockerd # -H tcp://0.0.0.0:1234 is what we do not want"],
    ["cat /usr/local/bin/dockerd-entrypoint.sh; sleep infinity"],
  ] as const) {
    it(`allows ${[text, ...args].join(" ")}`, () => {
      allows(dindUnixSocket, script(text, ...args));
    });
  }

  for (const command of [
    ["docker-init", "--", "dockerd-entrypoint.sh", "dockerd", "--host=unix:///x"],
    ["sh", "/usr/local/bin/dockerd-entrypoint.sh", "dockerd", "--host=unix:///x"],
    ["env", "X=1", "dockerd-entrypoint.sh", "dockerd"],
    ["tini", "--", "bash", "-euc", "exec dockerd --host=unix:///x"],
    ["bash", "-eo", "pipefail", "-c", 'exec dockerd-entrypoint.sh "$@"', "bash", "dockerd", "--host=unix:///x"],
    ["dockerd-entrypoint.sh", "docker", "-H", "tcp://elsewhere:1234", "info"],
  ]) {
    it(`allows ${command.join(" ")}`, () => {
      allows(dindUnixSocket, started(...command));
    });
  }

  for (const [mode, script] of Object.entries({
    native: nativeDindScript("pod", 10),
    sharedVolume: sharedVolumeDindScript("pod", 10),
  })) {
    it(`reads this program's own script: ${mode}`, () => {
      const own = (...args: string[]) => dindPod({ command: ["sh", "-c", script, "dind"], args });
      allows(dindUnixSocket, own("dockerd", "--host=unix:///x"));
      refuses(dindUnixSocket, own("dockerd", "--host=tcp://0.0.0.0:1234"), TCP);
      refuses(dindUnixSocket, own("--debug"), ENTRYPOINT);
    });
  }

  describe("reads the environment where a word asks for it", () => {
    const inEnvironment = (value: unknown, more: Record<string, unknown>) =>
      dindPod({ env: [{ name: "WHERE", ...(value as object) }], args: undefined, ...more });
    const [unix, tcp] = [{ value: "unix:///x" }, { value: "tcp://0.0.0.0:1234" }];
    for (const words of [
      { args: ["dockerd", "--host=$(WHERE)"] },
      { command: ["sh", "-c", 'exec dockerd --host="$WHERE"'] },
      { command: ["sh", "-c", "exec dockerd -H ${WHERE}"] },
    ]) {
      it(JSON.stringify(words), () => {
        allows(dindUnixSocket, inEnvironment(unix, words));
        refuses(dindUnixSocket, inEnvironment(tcp, words), TCP);
        refuses(dindUnixSocket, inEnvironment({ valueFrom: { fieldRef: {} } }, words), UNKNOWN);
      });
    }

    it("the last of two, as the kubelet takes it", () => {
      const env = ["tcp://0.0.0.0:1234", "unix:///x"].map((value) => ({ name: "WHERE", value }));
      allows(dindUnixSocket, dindPod({ env, args: ["dockerd", "--host=$(WHERE)"] }));
    });

    it("and nowhere else: a value that is not known yet does no harm", () => {
      const variable = {
        name: "LATER",
        get value(): string {
          throw new Error("not known during preview");
        },
      };
      allows(dindUnixSocket, dindPod({ env: [variable], command: ["sh", "-c", 'dockerd --host="unix://$X"'] }));
    });
  });
});
