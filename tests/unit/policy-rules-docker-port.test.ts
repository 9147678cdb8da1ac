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
  })) {
    it(`finds ${where}, and never shows a value`, () => {
      const [fault = ""] = noDockerPort.faultsOf(dindPod(change));
      assert.ok(fault.startsWith(`Pod build: ${where} of container dind.`), fault);
      assert.doesNotMatch(fault, /tcp:\/\/x|\[::\]/);
    });
  }

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
