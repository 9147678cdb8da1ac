import { dindUnixSocket } from "../../policy/rules/dind-unix-socket";
import { dindPod } from "../policy/dind-pod";
import { allows, refuses } from "../policy/verdicts";

describe("dind-unix-socket-only", () => {
  const START = "first argument is not dockerd, so the image's entrypoint adds --host=tcp://0.0.0.0";
  for (const [what, change] of Object.entries({
    "no arguments": { args: undefined },
    "an option as first argument": { args: ["--mtu=1400"] },
    "the entrypoint as command": { command: ["/usr/local/bin/dockerd-entrypoint.sh"], args: undefined },
    "a shell that calls it without arguments": { command: ["sh", "-c"], args: ["exec dockerd-entrypoint.sh"] },
    "a shell that passes on options": {
      command: ["/bin/sh", "-euc", 'dockerd-entrypoint.sh "$@"', "sh"],
      args: ["--host=unix:///run/dind/docker.sock"],
    },
  })) {
    it(`refuses ${what}`, () => {
      refuses(dindUnixSocket, dindPod(change), new RegExp(`container dind: its ${START}`));
    });
  }

  for (const args of [
    ["dockerd", "--host=tcp://127.0.0.1:1234"],
    ["dockerd", "--host", "tcp://127.0.0.1:1234"],
    ["dockerd", "-H", "tcp://127.0.0.1:1234"],
    ["dockerd", "-Htcp://127.0.0.1:1234"],
    ["dockerd", "--host=unix:///run/dind/docker.sock", "--host=0.0.0.0:1234"],
  ]) {
    it(`refuses ${args.join(" ")}`, () => {
      refuses(dindUnixSocket, dindPod({ args }), /container dind: dockerd is told to listen on /);
    });
  }

  it("refuses a TCP address in a script", () => {
    const command = ["sh", "-c", "dockerd --host=unix:///x.sock --host tcp://0.0.0.0:1234 & wait"];
    refuses(dindUnixSocket, dindPod({ command, args: undefined }), /told to listen on tcp:\/\//);
  });

  it("allows dockerd by itself, by the entrypoint, by a script, and an image of dind that runs something else", () => {
    for (const change of [
      { args: ["dockerd"] },
      { command: ["dockerd"], args: ["-H", "unix:///run/dind/docker.sock"] },
      { command: ["dockerd-entrypoint.sh"] },
      { command: ["sh", "-c", "dockerd-entrypoint.sh dockerd --host=unix:///run/dind/docker.sock & wait"], args: [] },
      { command: ["sleep", "infinity"], args: undefined },
    ]) {
      allows(dindUnixSocket, dindPod(change));
    }
  });
});
