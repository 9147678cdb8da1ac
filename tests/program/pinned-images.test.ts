import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeGcp } from "../../lab/gcp";
import { getParts } from "../../lab/parts";
import { createAdminToken } from "../../lab/pulumi/cluster-credential/admin-token";
import { PulumiProject } from "../../lab/pulumi/project";
import { administrator, sharedControlPlane } from "../support/control-plane";

const ROOT = join(__dirname, "..", "..");
const OWN = "buildkite-scale-to-zero:";
const digest = `sha256:${"c".repeat(64)}`;

describe("images of the committed prod stack, under the ordinary pulumi command", function () {
  this.timeout(120_000);
  const gcp = new FakeGcp();
  let folder: string;
  let project: PulumiProject;

  before(async () => {
    const { pulumi } = await getParts(["pulumi"], { print: () => undefined });
    folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
    await gcp.start();
    const { server, caPem } = (await sharedControlPlane()).adminKubeconfig;
    const at = { project: "acme", location: "europe-west1", name: "builds" };
    gcp.addCluster({ ...at, endpoint: new URL(server).host, caPem });
    const credential = join(folder, "credential");
    await writeFile(credential, await createAdminToken(await administrator()), { mode: 0o600 });
    project = await PulumiProject.create({
      source: ROOT,
      stack: "prod",
      workDir: join(folder, "pulumi"),
      pulumi: pulumi.path,
      env: { LAB_GCP_URL: gcp.url, LAB_CLUSTER_CREDENTIAL: credential },
      config: { "gcp:project": at.project, [`${OWN}clusterName`]: at.name, [`${OWN}clusterLocation`]: at.location },
      secrets: {
        [`${OWN}agentToken`]: "bkct_of-the-tests-0123456789",
        [`${OWN}webhookSecret`]: "hook-of-the-tests-0123456789",
      },
    });
  });

  after(async () => {
    await project.remove();
    await gcp.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The warnings about images that one preview gave. */
  async function warnings(): Promise<string[]> {
    const result = await project.preview();
    assert.equal(result.ok, true, result.stdout + result.stderr);
    return result.diagnostics
      .filter(({ severity, message }) => severity === "warning" && message.includes("digest"))
      .map(({ message }) => message.trim());
  }

  const images = () => join(project.folder, "components", "image-digests.json");
  async function pinAll(): Promise<void> {
    const file = JSON.parse(await readFile(images(), "utf8")) as { images: Record<string, { tag: string }> };
    const pinned = Object.entries(file.images).map(
      ([name, { tag }]) => [name, { tag, pinned: `${tag}@${digest}` }] as const,
    );
    await writeFile(images(), JSON.stringify({ ...file, images: Object.fromEntries(pinned) }));
  }

  it("that have no digest are one warning, with key and command", async () => {
    const before = await readFile(images(), "utf8");
    const withoutDigests = JSON.parse(before.replace(/,?\s*"(pinned|mediaType)": "[^"]*"/g, "")) as object;
    await writeFile(images(), JSON.stringify(withoutDigests));
    const [warning = "", ...more] = await warnings();
    assert.deepEqual(more, []);
    assert.match(warning, /^Stack prod runs 3 images by tag, without a digest: a tag can be moved/);
    assert.match(
      warning,
      /- dind of components\/image-digests\.json docker:\S+ \(queues\[0\]\.dindImage, queues\[1\]\.dindImage unset\): npm run pin-images -- dind$/m,
    );
  });

  it("that are pinned are none, and a queue's own that is not is named alone", async () => {
    await pinAll();
    assert.deepEqual(await warnings(), []);
    await project.setConfig({ [`${OWN}queues[0].agentImage`]: "ghcr.io/acme/agent:1.2" });
    const [warning = "", ...more] = await warnings();
    assert.deepEqual(more, []);
    assert.match(
      warning,
      /^Stack prod runs an image by tag, .*\n\s+- queues\[0\]\.agentImage ghcr\.io\/acme\/agent:1\.2: image=\$\(npm run --silent pin-images -- 'ghcr\.io\/acme\/agent:1\.2'\) && pulumi config set --path 'queues\[0\]\.agentImage' "\$image"$/,
    );
  });
});
