import { dindMemory } from "../../policy/rules/dind-memory";
import { dindPod, RESOURCES } from "../policy/dind-pod";
import { allows, refuses } from "../policy/verdicts";

describe("dind-memory-limits", () => {
  it("asks of every container of such a pod, or the pod as a whole", () => {
    allows(dindMemory, dindPod());
    refuses(
      dindMemory,
      dindPod({ resources: { requests: { memory: "1Gi" } } }),
      /dind has no resources\.limits\.memory/,
    );
    refuses(dindMemory, dindPod({ resources: {} }), /no resources\.requests\.memory and no resources\.limits\.memory/);
    allows(dindMemory, dindPod({ resources: {} }, { resources: RESOURCES }));
    allows(dindMemory, dindPod({ image: "nginx", args: [], resources: {} }));
  });
});
