import assert from "node:assert/strict";
import { isBetweenCrashes, startFailureOf, withEvents } from "../../dispatcher/buildkite/start-failure";
import type { ContainerState, ContainerStatus, Pod } from "../../dispatcher/kubernetes/objects";

function waiting(name: string, reason: string, message?: string): ContainerStatus {
  return { name, image: `registry.example/${name}:1`, state: { waiting: { reason, message } } };
}

/** A sidecar that has ended before. */
function crashed(state: ContainerState, started = false): ContainerStatus {
  return { name: "dind", started, state, lastState: { terminated: { exitCode: 1, reason: "Error" } } };
}

function pod(containerStatuses: ContainerStatus[], initContainerStatuses: ContainerStatus[] | null = null): Pod {
  return { metadata: { name: "p", uid: "u" }, status: { phase: "Pending", initContainerStatuses, containerStatuses } };
}

describe("why a pod does not start", () => {
  it("says which image cannot be pulled, and why", () => {
    for (const reason of ["ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "ImageInspectError"]) {
      assert.deepEqual(startFailureOf(pod([waiting("agent", reason, "manifest unknown")])), {
        ...{ reason, final: false },
        words: `The build's pod cannot start: image registry.example/agent:1 of its container "agent" cannot be pulled (${reason}): manifest unknown`,
      });
    }
  });

  it("says which container cannot be created", () => {
    for (const reason of [
      "CreateContainerError",
      "CreateContainerConfigError",
      "PreCreateHookError",
      "PreStartHookError",
    ]) {
      assert.deepEqual(startFailureOf(pod([waiting("agent", reason)])), {
        ...{ reason, final: false },
        words: `The build's pod cannot start: its container "agent" cannot be created (${reason})`,
      });
    }
  });

  it("knows that a wrong name heals by no wait", () => {
    assert.equal(startFailureOf(pod([waiting("agent", "InvalidImageName")]))?.final, true);
  });

  it("looks at the sidecar among the init containers, too", () => {
    const stuck = pod([waiting("agent", "PodInitializing")], [waiting("dind", "ErrImagePull")]);
    assert.match(startFailureOf(stuck)?.words ?? "", /image registry\.example\/dind:1 of its container "dind"/);
  });

  it("is nothing for a pod without a node, one that starts, and one whose sidecar has ended", () => {
    const ended: ContainerStatus = { name: "dind", state: { terminated: {} } };
    for (const sound of [
      { metadata: { name: "p", uid: "u" }, status: { phase: "Pending" } },
      pod([waiting("agent", "ContainerCreating")], [{ name: "dind", started: true, state: { running: {} } }]),
      pod([{ name: "agent", state: { running: {} } }], [ended]),
    ]) {
      assert.equal(startFailureOf(sound), undefined);
    }
  });

  describe("that waits for a sidecar which ends again and again", () => {
    const agent = waiting("agent", "PodInitializing");
    const backOff = { waiting: { reason: "CrashLoopBackOff", message: "back-off 20s restarting failed container" } };

    it("says which, and how it ended the last time; nothing that it wrote", () => {
      const dind = crashed(backOff);
      Object.assign(dind.lastState?.terminated ?? {}, { message: "a secret in its log" });
      assert.deepEqual(startFailureOf(pod([agent], [dind])), {
        ...{ reason: "CrashLoopBackOff", final: false },
        words:
          'The build\'s pod cannot start: its container "dind" ends again and again before the agent can start (CrashLoopBackOff), the last time with exit code 1 (Error)',
      });
      assert.match(
        startFailureOf(pod([agent], [{ name: "dind", state: backOff }]))?.words ?? "",
        /agent can start \(CrashLoopBackOff\)$/,
      );
    });

    it("is a failure only while the agent has not started: what happens under a running build is the build's", () => {
      for (const started of [{ running: {} }, { terminated: { exitCode: 0 } }]) {
        assert.equal(startFailureOf(pod([{ name: "agent", state: started }], [crashed(backOff)])), undefined);
      }
    });

    it("is none yet between two ends, and none any more once the sidecar is up", () => {
      const starting = pod([agent], [crashed({ running: {} })]);
      const ended = pod([agent], [crashed({ terminated: { exitCode: 1 } })]);
      const up = pod([agent], [crashed({ running: {} }, true)]);
      const first = pod([agent], [{ name: "dind", started: false, state: { running: {} } }]);
      for (const one of [starting, ended, up, first]) {
        assert.equal(startFailureOf(one), undefined);
      }
      assert.deepEqual([starting, ended, up, first].map(isBetweenCrashes), [true, true, false, false]);
    });

    it("adds why the node could not start it, but not an earlier pull that has gone well since", () => {
      const failure = startFailureOf(pod([agent], [crashed(backOff)]));
      const event = (message: string) => ({ metadata: {}, reason: "Failed", message });
      assert.ok(failure);
      const pull = event('Failed to pull image "x": timeout');
      assert.equal(withEvents(failure, [pull]), failure.words);
      const start = event('Error: exec: "/bin/sh": no such file or directory');
      assert.match(withEvents(failure, [pull, start]), /\. The node says: Error: exec: "\/bin\/sh": no such file/);
    });
  });

  it("adds what the node's event says, where the status only says that it waits", () => {
    const failure = startFailureOf(pod([waiting("agent", "ImagePullBackOff", 'Back-off pulling image "x"')]));
    const event = (reason: string, message: string) => ({ metadata: {}, reason, message });
    const newestFirst = [
      event("BackOff", "Back-off pulling image"),
      event("Failed", "Error: ImagePullBackOff"),
      event("Failed", 'Failed to pull image "x": manifest unknown'),
      event("Failed", "an older word"),
    ];
    assert.ok(failure);
    assert.match(
      withEvents(failure, newestFirst),
      /Back-off pulling image "x"\. The node says: Failed to pull image "x": manifest unknown$/,
    );
    assert.equal(withEvents(failure, []), failure.words);
  });

  it("keeps its words short", () => {
    assert.ok((startFailureOf(pod([waiting("agent", "ErrImagePull", "x".repeat(9000))]))?.words.length ?? 0) < 1300);
  });
});
