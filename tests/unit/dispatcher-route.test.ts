import assert from "node:assert/strict";
import { routeOf } from "../../dispatcher/route";
import type { QueueRoute } from "../../dispatcher/settings";

const CLUSTER = "42f1a7da-812d-4430-93d8-1cc7c33a6bcf";
const OTHER = "00000000-0000-4000-8000-000000000000";

function queue(key: string, more: Partial<QueueRoute> = {}): QueueRoute {
  return { key, default: false, tags: [`queue=${key}`], template: key, agentMode: "acquire", ...more };
}

const QUEUES = [
  queue("k8s", { default: true, tags: ["queue=k8s", "docker=true", "os=linux"] }),
  queue("large", { tags: ["queue=large", "docker=true", "size=l", "size=xl", "odd=a=b"] }),
];

/** Rules, and the queue they lead to, or why to none. */
const TABLE: [string, readonly string[], string][] = [
  ["no rules: the default queue", [], "k8s"],
  ["`*` alone, as webhooks carry it: the default queue", ["*"], "k8s"],
  ["a queue by name", ["queue=large"], "large"],
  ["a queue and a tag it has", ["queue=k8s", "docker=true"], "k8s"],
  ["a queue and a tag it has not", ["queue=k8s", "gpu=true"], "tags"],
  ["a queue and a tag with another value", ["queue=k8s", "os=darwin"], "tags"],
  ["any value of a tag", ["queue=k8s", "os=*"], "k8s"],
  ["an empty value matches any value", ["queue=k8s", "os="], "k8s"],
  ["a tag without a value", ["queue=k8s", "docker"], "k8s"],
  ["any value of a tag that is not there", ["queue=k8s", "gpu=*"], "tags"],
  ["no partial wildcards", ["queue=k8s", "os=lin*"], "tags"],
  ["a queue we do not serve", ["queue=hosted"], "queue"],
  ["upper and lower case differ", ["queue=K8s"], "queue"],
  ["no queue, but a tag: the default queue has to have it", ["docker=true"], "k8s"],
  ["no queue, and a tag that only another queue has", ["size=xl"], "tags"],
  ["several values of one tag", ["queue=large", "size=xl"], "large"],
  ["split at the first =", ["queue=large", "odd=a=b"], "large"],
  ["any queue: the default one first", ["queue=*"], "k8s"],
  ["any queue with a tag that only one has", ["queue=*", "size=l"], "large"],
  ["blanks around a rule", [" queue = large "], "large"],
  ["two queues at once", ["queue=k8s", "queue=large"], "queue"],
];

describe("routing", () => {
  for (const [what, agentQueryRules, expected] of TABLE) {
    it(`${what}: ${JSON.stringify(agentQueryRules)} -> ${expected}`, () => {
      const route = routeOf({ agentQueryRules }, QUEUES);
      assert.equal(typeof route === "string" ? route : route.key, expected);
    });
  }

  it("takes a job only of the cluster that the queue names", () => {
    const queues = [queue("k8s", { clusterId: CLUSTER, default: true })];
    const to = (clusterId?: string) => routeOf({ agentQueryRules: ["queue=k8s"], clusterId }, queues);
    assert.equal(to(CLUSTER), queues[0]);
    assert.equal(to(OTHER), "cluster");
    assert.equal(to(), "cluster");
  });

  it("takes any cluster's job where the queue names none", () => {
    const queues = [queue("k8s")];
    assert.equal(routeOf({ agentQueryRules: ["queue=k8s"], clusterId: OTHER }, queues), queues[0]);
  });

  it("prefers the queue that names the job's cluster, whatever the order", () => {
    const [any, named] = [queue("k8s", { default: true }), queue("k8s", { clusterId: CLUSTER })];
    const job = { agentQueryRules: ["queue=k8s"], clusterId: CLUSTER };
    assert.equal(routeOf(job, [any, named]), named);
    assert.equal(routeOf(job, [named, any]), named);
    assert.equal(routeOf({ ...job, clusterId: OTHER }, [named, any]), any);
  });

  it("takes no job without a queue where no queue is the default", () => {
    assert.equal(routeOf({ agentQueryRules: [] }, [queue("a"), queue("b")]), "queue");
  });
});
