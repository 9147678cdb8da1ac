import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parseUris } from "../../lab/debian/apt";
import { leftOut, packageSets } from "../../lab/debian/sets";
import { describeImage } from "../../lab/images/oci";
import { pause } from "../../lab/images/small-images";

const layer = { digest: `sha256:${"a".repeat(64)}`, size: 1234 };
const described = () =>
  describeImage(
    "localhost/docker:lab-dind",
    "amd64",
    { Entrypoint: ["start"], Env: ["A=b"], Volumes: ["/var/lib/docker"], ExposedPorts: ["2375/tcp"] },
    layer,
  );

interface Descriptor {
  digest: string;
  size: number;
  mediaType: string;
}

describe("an image of the lab", () => {
  const files = new Map(described().map(({ path, text }) => [path, text]));
  const json = (path: string) => JSON.parse(files.get(path) ?? assert.fail(`no ${path}`)) as unknown;
  const blobOf = ({ digest, size }: Descriptor) => {
    const path = `blobs/${digest.replace(":", "/")}`;
    const text = files.get(path) ?? assert.fail(`no ${path}`);
    assert.equal(createHash("sha256").update(text).digest("hex"), digest.slice("sha256:".length));
    assert.equal(Buffer.byteLength(text), size);
    return JSON.parse(text) as unknown;
  };
  const index = json("index.json") as { manifests: (Descriptor & { annotations: Record<string, string> })[] };
  const [found] = index.manifests;
  assert.ok(found !== undefined);
  const manifest = blobOf(found) as { config: Descriptor; layers: Descriptor[] };

  it("is found by containerd under its full reference, and by its tag", () => {
    assert.deepEqual(found.annotations, {
      "io.containerd.image.name": "localhost/docker:lab-dind",
      "org.opencontainers.image.ref.name": "lab-dind",
    });
    assert.deepEqual(json("oci-layout"), { imageLayoutVersion: "1.0.0" });
  });

  it("names every blob by what is in it", () => {
    const config = blobOf(manifest.config) as Record<string, unknown>;
    assert.deepEqual(config["config"], {
      Entrypoint: ["start"],
      Env: ["A=b"],
      Volumes: { "/var/lib/docker": {} },
      ExposedPorts: { "2375/tcp": {} },
    });
    assert.deepEqual(config["rootfs"], { type: "layers", diff_ids: [layer.digest] });
    assert.deepEqual(manifest.layers, [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }]);
  });

  it("is one that an older docker load understands too", () => {
    assert.deepEqual(json("manifest.json"), [
      {
        Config: `blobs/${manifest.config.digest.replace(":", "/")}`,
        RepoTags: ["localhost/docker:lab-dind"],
        Layers: [`blobs/sha256/${"a".repeat(64)}`],
      },
    ]);
  });

  it("has the same bytes whenever it is made", () => {
    assert.deepEqual(described(), described());
  });

  it("keeps a tag apart from a port of a registry", () => {
    const text = describeImage("localhost:5000/pause:lab", "amd64", pause.config, layer).find(
      ({ path }) => path === "index.json",
    )?.text;
    assert.match(text ?? "", /"org.opencontainers.image.ref.name":"lab"/);
  });
});

describe("Debian packages of the lab", () => {
  it("are read from what apt prints, whatever stands around them", () => {
    const text = [
      "Reading package lists...",
      "'http://deb.debian.org/debian/pool/main/p/procps/procps_4.0.2-3_amd64.deb' procps_2%3a4.0.2-3_amd64.deb 708712 MD5Sum:3ec3",
      "'http://deb.debian.org/debian/pool/main/g/git/git-man_2.39.5-0%2bdeb12u3_all.deb' git-man_1%3a2.39.5-0+deb12u3_all.deb 2053236 ",
      "",
    ].join("\n");
    assert.deepEqual(parseUris(text), [
      { name: "procps", version: "2:4.0.2-3", file: "procps_2%3a4.0.2-3_amd64.deb", bytes: 708_712 },
      {
        name: "git-man",
        version: "1:2.39.5-0+deb12u3",
        file: "git-man_1%3a2.39.5-0+deb12u3_all.deb",
        bytes: 2_053_236,
      },
    ]);
  });

  it("never leave out what is asked for by name", () => {
    for (const [set, names] of Object.entries(packageSets)) {
      for (const name of names) assert.ok(!leftOut.some((pattern) => pattern.test(name)), `${name} of ${set}`);
    }
  });
});
