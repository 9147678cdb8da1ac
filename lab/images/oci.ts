import { createHash } from "node:crypto";

/** What a container of an image starts with, in the words of the OCI image specification. */
export interface ImageConfig {
  Entrypoint?: string[];
  Cmd?: string[];
  Env?: string[];
  Volumes?: string[];
  ExposedPorts?: string[];
  WorkingDir?: string;
  StopSignal?: string;
}

/** One file of an OCI layout. */
export interface LayoutFile {
  path: string;
  text: string;
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";

/**
 * Everything of an image's archive but its one layer: an OCI layout (containerd, `docker load`), and the `manifest.json`
 * of a `docker save` beside it (older Docker). The same input gives the same bytes.
 *
 * @param reference With its registry part, as containerd keeps it: `localhost/buildkite/agent:lab`.
 * @param layer An uncompressed tar, which is why its digest is its diff id too.
 */
export function describeImage(
  reference: string,
  architecture: string,
  config: ImageConfig,
  layer: { digest: string; size: number },
): LayoutFile[] {
  const { Volumes, ExposedPorts, ...rest } = config;
  const set = (names: string[] | undefined) =>
    names === undefined ? undefined : Object.fromEntries(names.map((name) => [name, {}]));
  const configText = JSON.stringify({
    architecture,
    os: "linux",
    config: { ...rest, Volumes: set(Volumes), ExposedPorts: set(ExposedPorts) },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created: epoch, created_by: "buildkite-scale-to-zero lab" }],
    created: epoch,
  });
  const configBlob = blob(configText);
  const manifest = blob(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...configBlob.descriptor },
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: layer.digest, size: layer.size }],
    }),
  );
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      {
        mediaType: manifestType,
        ...manifest.descriptor,
        platform: { architecture, os: "linux" },
        annotations: {
          "io.containerd.image.name": reference,
          "org.opencontainers.image.ref.name": reference.slice(reference.lastIndexOf(":") + 1),
        },
      },
    ],
  };
  const docker = [{ Config: configBlob.path, RepoTags: [reference], Layers: [blobPath(layer.digest)] }];
  return [
    { path: "oci-layout", text: JSON.stringify({ imageLayoutVersion: "1.0.0" }) },
    { path: "index.json", text: JSON.stringify(index) },
    { path: "manifest.json", text: JSON.stringify(docker) },
    { path: configBlob.path, text: configText },
    { path: manifest.path, text: manifest.text },
  ];
}

/** Where a layout keeps what has this digest. */
export function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

const epoch = "1970-01-01T00:00:00Z";

function blob(text: string) {
  const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
  return { text, path: blobPath(digest), descriptor: { digest, size: Buffer.byteLength(text) } };
}
