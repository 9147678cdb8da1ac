import type { CatalogueEntry } from "./entry";

// None of these is taken from PATH. All but containerd's own use on the node go into images, where a binary linked with
// this machine's libraries does not run; and what the lab proves should not depend on what happens to be installed.

const containerdVersion = "v2.4.2";
// v3.138.3 needs a module that not every Go module proxy serves.
const agentVersion = "v3.138.1";
const mobyVersion = "v2.0.0-beta.24";
const dockerVersion = "v29.9.3";
const buildxVersion = "v0.38.2";

const containerd: CatalogueEntry = {
  name: "containerd",
  version: containerdVersion,
  download: (from, { os, arch }) => {
    const file = `containerd-static-${containerdVersion.slice(1)}-${os}-${arch}.tar.gz`;
    const url = `${from.github}/containerd/containerd/releases/download/${containerdVersion}/${file}`;
    return {
      url,
      checksums: [{ url: `${url}.sha256sum`, format: "text" }],
      archive: { files: ["bin/containerd", "bin/containerd-shim-runc-v2", "bin/ctr"] },
    };
  },
  build: {
    module: "containerd",
    package: "github.com/containerd/containerd/v2/cmd/containerd",
    companions: {
      "containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
      ctr: "github.com/containerd/containerd/v2/cmd/ctr",
    },
    ldflags: [`-X github.com/containerd/containerd/v2/version.Version=${containerdVersion}`],
    // Snapshotters for file systems and devices that no node of the lab has.
    tags: ["no_btrfs", "no_devmapper", "no_zfs"],
    seconds: 60,
  },
  megabytes: 35,
};

const buildkiteAgent: CatalogueEntry = {
  name: "buildkite-agent",
  version: agentVersion,
  download: (from, { os, arch }) => {
    const plain = agentVersion.slice(1);
    const folder = `${from.github}/buildkite/agent/releases/download/${agentVersion}`;
    return {
      url: `${folder}/buildkite-agent-${os}-${arch}-${plain}.tar.gz`,
      checksums: [
        { url: `${folder}/buildkite-agent-${plain}.SHA256SUMS`, format: "text" },
        { url: `${from.githubApi}/repos/buildkite/agent/releases/tags/${agentVersion}`, format: "github-release" },
      ],
      archive: { files: ["./buildkite-agent"] },
    };
  },
  build: { module: "buildkite-agent", package: "github.com/buildkite/agent/v3", ldflags: [], seconds: 115 },
  megabytes: 20,
};

const dockerd: CatalogueEntry = {
  name: "dockerd",
  version: mobyVersion,
  // download.docker.com serves static binaries, but no checksum beside them.
  build: {
    module: "dockerd",
    package: "github.com/moby/moby/v2/cmd/dockerd",
    companions: { "docker-proxy": "github.com/moby/moby/v2/cmd/docker-proxy" },
    ldflags: [
      // Clients read a major version out of it; the module is numbered otherwise than the product.
      `-X github.com/moby/moby/v2/dockerversion.Version=29.0.0-moby.${mobyVersion}`,
      `-X github.com/moby/moby/v2/dockerversion.GitCommit=${mobyVersion}`,
      "-X github.com/moby/moby/v2/dockerversion.BuildTime=unknown",
    ],
    seconds: 130,
  },
  megabytes: 30,
};

const docker: CatalogueEntry = {
  name: "docker",
  version: dockerVersion,
  // As for dockerd.
  build: {
    module: "docker",
    package: "github.com/docker/cli/cmd/docker",
    ldflags: [
      `-X github.com/docker/cli/cli/version.Version=${dockerVersion.slice(1)}`,
      `-X github.com/docker/cli/cli/version.GitCommit=${dockerVersion}`,
      "-X github.com/docker/cli/cli/version.BuildTime=unknown",
    ],
    // Its module has no go.mod, for which Go assumes a language of long ago.
    gcflags: "github.com/docker/cli/...=-lang=go1.26",
    seconds: 30,
  },
  megabytes: 15,
};

const buildx: CatalogueEntry = {
  name: "docker-buildx",
  version: buildxVersion,
  download: (from, { os, arch }) => {
    const folder = `${from.github}/docker/buildx/releases/download/${buildxVersion}`;
    return {
      url: `${folder}/buildx-${buildxVersion}.${os}-${arch}`,
      checksums: [
        { url: `${folder}/checksums.txt`, format: "text" },
        { url: `${from.githubApi}/repos/docker/buildx/releases/tags/${buildxVersion}`, format: "github-release" },
      ],
    };
  },
  build: {
    module: "docker-buildx",
    package: "github.com/docker/buildx/cmd/buildx",
    ldflags: [`-X github.com/docker/buildx/version.Version=${buildxVersion}`],
    seconds: 100,
  },
  megabytes: 70,
};

/** What the real node and its images are made of besides Kubernetes, in the order in which it is built. */
export const nodeParts: readonly CatalogueEntry[] = [containerd, buildkiteAgent, dockerd, docker, buildx];
