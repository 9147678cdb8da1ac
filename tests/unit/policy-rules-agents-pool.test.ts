import { agentsPoolTaint } from "../../policy/rules/agents-pool-taint";
import { allows, refuses } from "../policy/verdicts";
import { resource } from "../support/manifests";

const COMPONENT = "buildkite-scale-to-zero:index:AgentNodePool$";
const taints = [{ key: "buildkite", value: "agents", effect: "NO_SCHEDULE" }];
const NODE_POOL = /NodePool \S+: nodeConfig\.taints has no taint of effect NO_SCHEDULE or NO_EXECUTE/;

const nodePool = (logicalName: string, props: Record<string, unknown>, parent?: string) =>
  resource("gcp:container/nodePool:NodePool", logicalName, props, parent);
const cluster = (logicalName: string, ...nodePools: readonly Record<string, unknown>[]) =>
  resource("gcp:container/cluster:Cluster", logicalName, { nodePools });
const labeled = (labels: Record<string, string>) => ({ nodeConfig: { labels } });

/** Fields of which a preview does not know one yet: reading it throws, as it does under the engine. */
function unknown(name: string, props: Record<string, unknown> = {}): Record<string, unknown> {
  return Object.defineProperty({ ...props }, name, {
    enumerable: true,
    get: () => {
      throw new Error(`${name} is not known during preview`);
    },
  });
}

describe("agents-pool-taint", () => {
  for (const [what, pool] of Object.entries({
    "its component": nodePool("a", { nodeConfig: {} }, COMPONENT),
    "its component, whatever it is called": nodePool("system", { name: "default" }, COMPONENT),
    "its logical name": nodePool("buildkite", {}),
    "its own name": nodePool("agents", { name: "buildkite-agents" }),
    "its own name, in a resource named otherwise": nodePool("default", { name: "buildkite-agents" }),
    "the beginning of its own name": nodePool("agents", { namePrefix: "buildkite-agents-" }),
    "a label's value": nodePool("a", labeled({ team: "buildkite-agents" })),
    "a label's key": nodePool("a", labeled({ "buildkite.com/pool": "a" })),
    "a queue's label": nodePool("a", labeled({ queue: "buildkite" })),
    "its name, with the queue default as a label": nodePool("buildkite", labeled({ "buildkite.com/queue": "default" })),
    "its name, with agents for the queue default": nodePool("buildkite-agents-default", {}),
    "its name, after the queue default": nodePool("buildkite-default", {}),
    "its own name, after the queue default": nodePool("a", { name: "buildkite-default" }),
    "its name, in the environment default": nodePool("buildkite", labeled({ env: "default" })),
    "its name, of a team that builds the system": nodePool("buildkite", labeled({ team: "build-system" })),
    "its name, of a team called after the system": nodePool("buildkite", labeled({ team: "system" })),
    "its name, with a label about the dispatcher": nodePool("buildkite", labeled({ dispatcher: "main" })),
    "its name, with the system's builds for a role": nodePool("buildkite", labeled({ role: "build-system" })),
  })) {
    it(`knows an agents' pool by ${what}`, () => {
      refuses(agentsPoolTaint, pool, NODE_POOL);
      allows(agentsPoolTaint, {
        ...pool,
        props: { ...pool.props, nodeConfig: { ...(pool.props["nodeConfig"] as object), taints } },
      });
    });
  }

  it("finds no hindrance in a taint that the scheduler only prefers", () => {
    const soft = [{ ...taints[0], effect: "PREFER_NO_SCHEDULE" }];
    refuses(agentsPoolTaint, nodePool("buildkite", { nodeConfig: { taints: soft } }), NODE_POOL);
  });

  it("knows a cluster's own pools by name or label, and says which", () => {
    const pools = [{ name: "system" }, { name: "buildkite-agents" }];
    refuses(agentsPoolTaint, cluster("main", ...pools), /Cluster main: nodePools\[1\]\.nodeConfig\.taints/);
    refuses(agentsPoolTaint, cluster("main", labeled({ use: "buildkite" })), /nodePools\[0\]/);
    allows(agentsPoolTaint, cluster("main", { name: "buildkite", nodeConfig: { taints } }));
  });

  for (const [what, pool] of Object.entries({
    "the dispatcher's": nodePool("buildkite-system", {}),
    "the dispatcher's, by its own name": nodePool("buildkite", { name: "buildkite-dispatcher" }),
    "the dispatcher's, by a label": nodePool("buildkite", labeled({ pool: "system" })),
    "the dispatcher's, by a label alone": nodePool("a", labeled({ role: "buildkite-dispatcher" })),
    "the dispatcher's, by a label with a prefix": nodePool(
      "buildkite",
      labeled({ "acme.example/node-pool": "system" }),
    ),
    "the cluster's default": nodePool("buildkite-default-pool", {}),
    "in camel case": nodePool("buildkiteSystem", {}),
    "of the team": nodePool("system", labeled({ team: "buildkite" })),
    "of the dispatcher, labeled with what it serves": nodePool(
      "buildkite-system",
      labeled({ for: "buildkite-agents" }),
    ),
    "of something else": nodePool("workers", { name: "web", ...labeled({ pool: "web" }) }),
    "inside a cluster named after Buildkite": cluster("buildkite", { name: "system" }, { name: "web" }, {}),
  })) {
    it(`leaves alone a pool ${what}`, () => {
      allows(agentsPoolTaint, pool);
    });
  }

  it("asks for nothing unknown that its answer does not depend on", () => {
    refuses(agentsPoolTaint, nodePool("a", unknown("name"), COMPONENT), NODE_POOL);
    refuses(agentsPoolTaint, nodePool("buildkite-agents", unknown("name")), NODE_POOL);
    allows(agentsPoolTaint, nodePool("buildkite", unknown("name", { nodeConfig: { taints } })));
    allows(agentsPoolTaint, cluster("main", unknown("name", { nodeConfig: { taints } })));
  });
});
