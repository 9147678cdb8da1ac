import assert from "node:assert/strict";
import { startFailureOf, withEvents } from "../../dispatcher/buildkite/start-failure";
import type { ContainerStatus, Pod } from "../../dispatcher/kubernetes/objects";

function waiting(name: string, reason: string, message?: string): ContainerStatus {
  return { name, image: `registry.example/${name}:1`, state: { waiting: { reason, message } } };
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
      pod([waiting("agent", "ContainerCreating")], [waiting("dind", "CrashLoopBackOff")]),
      pod([{ name: "agent", state: { running: {} } }], [ended]),
    ]) {
      assert.equal(startFailureOf(sound), undefined);
    }
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
