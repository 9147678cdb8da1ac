import assert from "node:assert/strict";
import { noDockerPort } from "../../policy/rules/no-docker-port";
import { dindPod } from "../policy/dind-pod";
import { allows, refuses } from "../policy/verdicts";
import { resourceOf } from "../support/manifests";

describe("no-docker-port", () => {
  for (const [where, change] of Object.entries({
    "args[1]": { args: ["dockerd", "--host=tcp://[::]:2376"] },
    "command[2]": { command: ["sh", "-c", "docker -H tcp://x:2375 info"], args: [] },
    "env PORT": { env: [{ name: "PORT", value: "2375" }] },
    hostPort: { ports: [{ hostPort: 2376 }] },
    "startupProbe.tcpSocket.port": { startupProbe: { tcpSocket: { port: "2375" } } },
    "livenessProbe.httpGet.port": { livenessProbe: { httpGet: { port: 2375 } } },
    "startupProbe.exec.command[2]": {
      startupProbe: { exec: { command: ["docker", "-H", "tcp://x:2375", "info"] } },
    },
    "readinessProbe.exec.command[2]": {
      readinessProbe: { exec: { command: ["sh", "-c", "wget -q http://x:2376/_ping"] } },
    },
    "lifecycle.postStart.exec.command[2]": {
      lifecycle: { postStart: { exec: { command: ["sh", "-c", "until docker -H tcp://x:2376 info; do :; done"] } } },
    },
    "lifecycle.preStop.httpGet.port": { lifecycle: { preStop: { httpGet: { port: 2375 } } } },
  })) {
    it(`finds ${where}, and never shows a value`, () => {
      const [fault = ""] = noDockerPort.faultsOf(dindPod(change));
      assert.ok(fault.startsWith(`Pod build: ${where} of container dind.`), fault);
      assert.doesNotMatch(fault, /tcp:\/\/x|\[::\]/);
    });
  }

  describe("takes a DOCKER_HOST without a port for Docker's own", () => {
    const WITHOUT_PORT = /: env DOCKER_HOST \(without a port: Docker's default\) of container dind\. /;
    for (const value of ["tcp://docker", "tcp://docker/", "tcp://[::1]", "tcp://", "docker", "docker:"]) {
      it(value, () => {
        refuses(noDockerPort, dindPod({ env: [{ name: "DOCKER_HOST", value }] }), WITHOUT_PORT);
      });
    }

    for (const value of [
      "",
      "unix:///x",
      "ssh://docker",
      "npipe:////./pipe/x",
      "/x.sock",
      "tcp://x:1234",
      "$(WHERE)",
      "tcp://$(WHERE)",
    ]) {
      it(`but not ${value === "" ? "an empty one" : value}`, () => {
        allows(noDockerPort, dindPod({ env: [{ name: "DOCKER_HOST", value }] }));
      });
    }

    it("in a variable of that name only", () => {
      allows(noDockerPort, dindPod({ env: [{ name: "BUILDKIT_HOST", value: "tcp://buildkit" }] }));
    });

    it("in a value made of another variable, where that is known", () => {
      const env = (value: string) => [
        { name: "NODE", value },
        { name: "DOCKER_HOST", value: "tcp://$(NODE)" },
      ];
      refuses(noDockerPort, dindPod({ env: env("docker") }), WITHOUT_PORT);
      allows(noDockerPort, dindPod({ env: env("docker:1234") }));
    });

    it("in a script, too", () => {
      for (const script of [
        "export DOCKER_HOST=tcp://docker; docker info",
        'DOCKER_HOST="tcp://docker" docker info',
        "env DOCKER_HOST=tcp://docker",
      ]) {
        refuses(
          noDockerPort,
          dindPod({ command: ["sh", "-c", script], args: [] }),
          /: command\[2\] \(DOCKER_HOST without a port/,
        );
      }
      for (const script of [
        "DOCKER_HOST=tcp://docker:1234 docker info",
        "MY_DOCKER_HOST=tcp://docker run",
        "DOCKER_HOST=tcp://$X run",
      ]) {
        allows(noDockerPort, dindPod({ command: ["sh", "-c", script], args: [] }));
      }
    });

    it("in a ConfigMap, too", () => {
      const map = (data: object) =>
        resourceOf({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "build" }, data });
      refuses(
        noDockerPort,
        map({ DOCKER_HOST: "tcp://docker" }),
        /ConfigMap build: data\.DOCKER_HOST \(without a port/,
      );
      allows(noDockerPort, map({ DOCKER_HOST: "unix:///x", OTHER: "tcp://docker" }));
    });
  });

  it("leaves alone a probe that asks the unix socket", () => {
    const startupProbe = { exec: { command: ["sh", "-c", "until docker info; do sleep 0.05; done"] } };
    allows(noDockerPort, dindPod({ startupProbe, lifecycle: { preStop: { exec: { command: ["sleep", "2375"] } } } }));
  });

  it("finds a daemon.json", () => {
    const data = { "daemon.json": '{"hosts": ["unix:///x", "tcp://0.0.0.0:2375"]}' };
    const map = resourceOf({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "engine" }, data });
    refuses(noDockerPort, map, /ConfigMap engine: data\.daemon\.json\./);
  });

  it("leaves group ids and longer numbers alone", () => {
    allows(noDockerPort, dindPod({ args: ["dockerd", "--group=2375"], env: [{ name: "GID", value: "2375" }] }));
    allows(noDockerPort, dindPod({ args: ["dockerd", "--registry-mirror=http://mirror:23755"] }));
  });
});
