import assert from "node:assert/strict";
import { podRunsDockerd } from "../../policy/dind";
import { podOf } from "../../policy/pods";
import { dindUnixSocket } from "../../policy/rules/dind-unix-socket";
import { DIGEST, dindPod } from "../policy/dind-pod";
import { allows, refuses } from "../policy/verdicts";

const ENTRYPOINT = /its first argument is not dockerd/;

/** Whether the pack takes a container for a Docker daemon. */
function isDind(change: Record<string, unknown>): boolean {
  const pod = podOf(dindPod({ args: undefined, ...change }));
  assert.ok(pod);
  return podRunsDockerd(pod);
}

describe("what the policy pack takes for docker:dind", () => {
  for (const image of [
    "docker:dind",
    "registry.example:5000/library/docker:29-dind-rootless",
    "ci/dind:1",
    "dind",
    // Since 22.06 the official image's tags without a suffix are dind (docker-library/docker #369).
    "docker",
    "docker:latest",
    "docker:rc",
    "docker:29",
    "docker:29.7",
    "docker:29.7.2",
    "docker:29-rc",
    "docker:29.0.0-rc.2",
    "docker:29-alpine3.24",
    "docker:29.0.0-rc.2-alpine3.24",
    "docker:23.0.1",
    `docker@${DIGEST}`,
    `docker:29@${DIGEST}`,
    "library/docker:29",
    "docker.io/docker:29",
    "docker.io/library/docker",
    "registry.example:5000/docker",
    "europe-docker.pkg.dev/acme/mirror/docker:29.7.2",
  ]) {
    it(`is ${image.replace(DIGEST, "<digest>")}`, () => {
      refuses(dindUnixSocket, dindPod({ image, args: undefined }), ENTRYPOINT);
      refuses(dindUnixSocket, dindPod({ image, args: ["--mtu=1400"] }), ENTRYPOINT);
      allows(dindUnixSocket, dindPod({ image }));
      assert.ok(isDind({ image }) && isDind({ image, args: ["dockerd"] }));
      assert.ok(isDind({ image, command: ["dockerd-entrypoint.sh"] }));
    });
  }

  for (const image of [
    "docker:cli",
    "docker:29-cli",
    "docker:29.7.2-cli-alpine3.24",
    "docker:git",
    "docker:29-git",
    "docker:29-windowsservercore",
    "docker:windowsservercore-ltsc2025",
    // Before 22.06 they were the client.
    "docker:20.10",
    "docker:19.03.15",
    "docker:18",
    `docker:cli@${DIGEST}`,
    "example/dinder:1",
    "alpine/docker-with-buildx:latest",
    "docker/compose:2",
    "registry.example/docker-tools:29",
    "docker.io/library/nginx:29",
  ]) {
    it(`is not ${image.replace(DIGEST, "<digest>")}`, () => {
      assert.equal(isDind({ image }), false);
    });
  }

  it("is not an official image that is started as a client, or as anything else", () => {
    for (const change of [
      { args: ["docker", "build", "."] },
      { args: ["build", "."] },
      { args: ["sh", "-c", "docker build ."] },
      { command: ["docker", "info"] },
      { command: ["sh", "-c"], args: ["until docker info; do sleep 1; done"] },
      { command: ["docker-entrypoint.sh"], args: ["--version"] },
      { command: ["dockerd-entrypoint.sh"], args: ["docker", "build", "."] },
    ]) {
      assert.equal(isDind({ image: "docker:29", ...change }), false, JSON.stringify(change));
    }
  });

  it("is every image whose command or arguments start dockerd", () => {
    for (const change of [
      { args: ["dockerd", "--host=unix:///x"] },
      { command: ["/usr/bin/dockerd"] },
      { command: ["dockerd-entrypoint.sh"] },
      { command: ["tini", "--", "dockerd"] },
      { command: ["sh", "-c", "exec dockerd $OPTS"] },
      { command: ["sh", "-c", "(dockerd &) && sleep 1"] },
      { command: ["sh", "-c", "dockerd & wait"] },
      { command: ["sh", "-c"], args: ["/usr/local/bin/dockerd-entrypoint.sh dockerd & wait"] },
      { command: ["dind", "dockerd"] },
      { command: ["timeout", "-k", "5", "--signal", "KILL", "20", "dockerd"] },
      { command: ["sudo", "-u", "root", "X=1", "nice", "-n5", "ionice", "-c", "2", "/usr/bin/dockerd"] },
      { command: ["sh", "-c", "until dockerd; do sleep 1; done"] },
      { command: ["sh", "-c", "start() { exec dockerd; }; start"] },
      { command: ["sh", "-c", "function start { dockerd; }; start"] },
      { command: ["sh", "-c", 'case "$1" in a | b) exit ;; *) dockerd ;; esac'] },
      { command: ["sh", "-c", "case $x in (a) ;; esac; dockerd"] },
      { command: ["sh", "-c", "x=$(case $y in a) dockerd ;; esac)"] },
      { command: ["sh", "-c", "$SUDO dockerd"] },
      { command: ["sh", "-c", '"$BIN/dockerd"'] },
      { command: ["sh", "-c", "eval dockerd -D"] },
      { command: ["sh", "-c", "trap -- 'dockerd & wait' HUP"] },
      { command: ["sh", "-c", "exec -a engine dockerd <&-"] },
    ]) {
      assert.equal(isDind({ image: "example/engine:1", ...change }), true, JSON.stringify(change));
    }
  });

  it("is not an image whose command only looks for dockerd, or names it", () => {
    for (const script of [
      "until pgrep dockerd; do sleep 1; done",
      "kill $(pidof dockerd)",
      'while [ -z "$(pidof dockerd)" ]; do sleep 1; done',
      'command -v dockerd-entrypoint.sh || echo "dockerd -H is missing"',
      "trap 'pkill -x dockerd' EXIT; buildkite-agent start # dockerd -D runs next door",
      'until docker info; do log "waiting for dockerd"; sleep 1; done; exec buildkite-agent start',
      "tail -F /var/log/dockerd",
      'docker info || fail "dockerd is not up"',
      'docker info || buildkite-agent annotate "dockerd failed"',
      "systemctl is-active dockerd",
      "sudo -n systemctl restart dockerd",
      "timeout 20 pgrep -f dockerd",
      "docker run --privileged docker:dind dockerd",
      "for process in dockerd containerd; do pgrep $process; done",
      'case "$x" in dockerd) exit 1 ;; esac',
      'case "$x" in\n  # The engine.\n  a) exit ;;\n  (dockerd | dind) exit 1\nesac',
      'x=$(case "$y" in a) echo ;; dockerd) exit 1 ;; esac); wait',
      "dockerd() { return 1; }",
      "DOCKERD=dockerd; wait",
    ]) {
      assert.equal(isDind({ image: "buildkite/agent:3", command: ["bash", "-c", script] }), false, script);
    }
  });
});
