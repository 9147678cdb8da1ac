import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isProduction } from "../../stack/production";
import { unpinnedImages } from "../../stack/unpinned-images";
import { HELP } from "../../tools/pin-images/options";

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
      `queues[1].agentImage ghcr.io/acme/agent:1.2: image=$(npm run --silent pin-images -- 'ghcr.io/acme/agent:1.2') && pulumi config set --path 'queues[1].agentImage' "$image"`,
      `nodeImage n:2@sha256:abc: image=$(npm run --silent pin-images -- 'n:2@sha256:abc') && pulumi config set --path 'nodeImage' "$image"`,
    ]);
  });
});

describe("the command that pins a stack's own image", () => {
  const odd = 'it\'s $(touch x) "a":1';
  const [printed = "", printedOdd = ""] = unpinnedImages(
    { ...config, queues: [{ key: "default", agentImage: "ghcr.io/acme/agent:1.2" }], nodeImage: odd },
    pinned,
  );
  const readme = readFileSync(join(__dirname, "..", "..", "README.md"), "utf8");
  const key = "queues[0].agentImage";

  for (const [where, text, image, set] of [
    ["in the warning of a preview", printed, "ghcr.io/acme/agent:1.2", key],
    ["in that warning, of an image with quotes in it", printedOdd, odd, "nodeImage"],
    ["in README.md", readme, "ghcr.io/acme/agent:1.2", key],
    ["in the help of pin-images", HELP, "ghcr.io/acme/agent:1.2", key],
  ] as const) {
    it(`sets nothing where the image could not be resolved: ${where}`, async () => {
      const [command = ""] = /(image=\$\(|pulumi config set ).*pin-images -- .*$/m.exec(text) ?? [];
      const asked = ["run", "--silent", "pin-images", "--", image];
      assert.deepEqual(await run(command, "exit 3"), { npm: asked, pulumi: undefined });
      assert.deepEqual(await run(command, `echo x@${digest}`), {
        npm: asked,
        pulumi: ["config", "set", "--path", set, `x@${digest}`],
      });
    });
  }
});

/** Runs a command with stand-ins for npm, which does this, and for pulumi. What each was called with; undefined if it was not. */
async function run(command: string, npm: string): Promise<Record<"npm" | "pulumi", string[] | undefined>> {
  const folder = await mkdtemp(join(tmpdir(), "unpinned-images-test-"));
  try {
    for (const [name, body] of [
      ["npm", npm],
      ["pulumi", "exit 0"],
    ] as const) {
      const script = `#!/bin/sh\nprintf '%s\\0' "$@" > '${join(folder, name)}.arguments'\n${body}\n`;
      await writeFile(join(folder, name), script, { mode: 0o755 });
    }
    const env = { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` };
    const { stderr } = spawnSync("sh", ["-c", command], { cwd: folder, env, encoding: "utf8" });
    assert.equal(stderr, "");
    const heard = async (name: string): Promise<string[] | undefined> => {
      const text = await readFile(join(folder, `${name}.arguments`), "utf8").catch(() => undefined);
      return text?.split("\0").slice(0, -1);
    };
    return { npm: await heard("npm"), pulumi: await heard("pulumi") };
  } finally {
    await rm(folder, { recursive: true });
  }
}
