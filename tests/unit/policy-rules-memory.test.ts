import assert from "node:assert/strict";
import { dindMemory } from "../../policy/rules/dind-memory";
import { dindPod, RESOURCES } from "../policy/dind-pod";
import { allows, refuses } from "../policy/verdicts";

const [REQUEST, LIMIT] = [{ requests: { memory: "1Gi" } }, { limits: { memory: "1Gi" } }];
const WITHOUT_LIMIT = /dind without a limit let builds freeze whole nodes/;
const WITHOUT_REQUEST = /without a request the autoscaler packs pods onto a node that cannot hold them/;

/** A pod of dind and an agent with such resources, and of the pod as a whole. */
function pod(dind: object, agent: object, whole?: object) {
  return dindPod(
    { resources: dind },
    {
      initContainers: [{ name: "agent", image: "buildkite/agent:3", resources: agent }],
      ...(whole === undefined ? {} : { resources: whole }),
    },
  );
}

describe("dind-memory-limits", () => {
  it("asks of every container of such a pod, or of the pod as a whole", () => {
    allows(dindMemory, dindPod());
    allows(dindMemory, pod(RESOURCES, RESOURCES));
    allows(dindMemory, pod({}, {}, RESOURCES));
    allows(dindMemory, dindPod({ image: "nginx", args: [], resources: {} }));
    refuses(
      dindMemory,
      pod(RESOURCES, {}),
      /: container agent has no resources\.requests\.memory and no resources\.limits/,
    );
    refuses(dindMemory, pod({}, {}), /container agent has no [^;]*; container dind has no /);
  });

  it("asks for a limit in any case", () => {
    refuses(dindMemory, dindPod({ resources: REQUEST }), /: container dind has no resources\.limits\.memory: /);
    refuses(dindMemory, pod({}, LIMIT, REQUEST), /: container dind has no resources\.limits\.memory: /);
    refuses(dindMemory, dindPod({ resources: { limits: { cpu: "1" } } }), /no resources\.requests\.memory and no res/);
  });

  it("takes a container's limit for its request, as Kubernetes does", () => {
    allows(dindMemory, dindPod({ resources: LIMIT }));
    allows(dindMemory, pod(LIMIT, RESOURCES));
    allows(dindMemory, pod(LIMIT, LIMIT, REQUEST));
  });

  it("takes the pod's limit for its request where no container has one: else those are added up", () => {
    allows(dindMemory, pod({}, {}, LIMIT));
    allows(dindMemory, pod(REQUEST, REQUEST, LIMIT));
    allows(dindMemory, pod(REQUEST, LIMIT, LIMIT));
    for (const agent of [REQUEST, LIMIT]) {
      refuses(dindMemory, pod({}, agent, LIMIT), /: container dind has no resources\.requests\.memory: /);
    }
  });

  it("gives the reasons for what is missing, and no other", () => {
    const texts = [dindPod({ resources: REQUEST }), pod({}, REQUEST, LIMIT), pod({}, {})].map(
      (one) => dindMemory.faultsOf(one)[0] ?? "",
    );
    assert.deepEqual(
      texts.map((text) => [WITHOUT_LIMIT, WITHOUT_REQUEST].map((reason) => reason.test(text))),
      [
        [true, false],
        [false, true],
        [true, true],
      ],
    );
  });
});
