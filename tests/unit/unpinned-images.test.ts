import assert from "node:assert/strict";
import { isProduction } from "../../stack/production";
import { unpinnedImages } from "../../stack/unpinned-images";

const digest = `sha256:${"b".repeat(64)}`;
const pinned = { agent: `a:1@${digest}`, dind: `d:1@${digest}`, node: `n:1@${digest}` };
const byTag = { agent: "a:1", dind: "d:1", node: "n:1" };
const config = { stack: "prod", queues: [{ key: "default" }, { key: "deploy" }] };

describe("a production stack", () => {
  for (const [stack, protect, is] of [
    ["prod", undefined, true],
    ["production", false, true],
    ["prod-eu", undefined, true],
    ["dev", true, true],
    ["dev", undefined, false],
    ["product-team", undefined, false],
    ["my-prod", undefined, false],
    ["production-line", false, false],
  ] as const) {
    it(`${is ? "is" : "is not"} ${stack}${protect === true ? ", protected" : ""}`, () => {
      assert.equal(isProduction(stack, protect), is);
    });
  }
});

describe("images without a digest", () => {
  it("are none where all are pinned, the stack's own and the standard ones", () => {
    const queues = [{ key: "default", agentImage: `x:1@${digest}`, dindImage: `registry:5000/y@${digest}` }];
    assert.deepEqual(unpinnedImages({ ...config, queues, nodeImage: `z:1@${digest}` }, byTag), []);
    assert.deepEqual(unpinnedImages(config, pinned), []);
  });

  it("are named once each where no queue names its own, with the command that pins them", () => {
    assert.deepEqual(unpinnedImages(config, byTag), [
      "agent of components/image-digests.json a:1 (queues[0].agentImage, queues[1].agentImage unset): npm run pin-images -- agent",
      "dind of components/image-digests.json d:1 (queues[0].dindImage, queues[1].dindImage unset): npm run pin-images -- dind",
      "node of components/image-digests.json n:1 (nodeImage unset): npm run pin-images -- node",
    ]);
  });

  it("are named by their key where the stack names them", () => {
    const queues = [{ key: "default" }, { key: "deploy", agentImage: "ghcr.io/acme/agent:1.2" }];
    assert.deepEqual(unpinnedImages({ ...config, queues, nodeImage: "n:2@sha256:abc" }, pinned), [
      `queues[1].agentImage ghcr.io/acme/agent:1.2: pulumi config set --path 'queues[1].agentImage' "$(npm run --silent pin-images -- 'ghcr.io/acme/agent:1.2')"`,
      `nodeImage n:2@sha256:abc: pulumi config set --path 'nodeImage' "$(npm run --silent pin-images -- 'n:2@sha256:abc')"`,
    ]);
  });
});
