import type { CatalogueEntry } from "./entry";
import type { PartName } from "./names";
import { nodeParts } from "./node-parts";
import { sameMinor, sameMajorAtLeast } from "./version";

const kubernetesVersion = "v1.36.3";
const etcdVersion = "v3.6.16";
const kwokVersion = "v0.8.0";
const pulumiVersion = "v3.259.0";

const kubernetesLdflags = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((path) => [
  `-X ${path}.gitVersion=${kubernetesVersion}`,
  `-X ${path}.gitMajor=1`,
  `-X ${path}.gitMinor=36`,
  `-X ${path}.gitTreeState=clean`,
]);

function kubernetes(name: PartName, seconds: number, megabytes: number): CatalogueEntry {
  return {
    name,
    version: kubernetesVersion,
    onPath: { versionArguments: ["--version"], fits: sameMinor(kubernetesVersion) },
    download: (from, { os, arch }) => {
      const url = `${from.kubernetes}/release/${kubernetesVersion}/bin/${os}/${arch}/${name}`;
      return { url, checksums: [{ url: `${url}.sha256`, format: "text" }] };
    },
    build: { module: "kubernetes", package: `k8s.io/kubernetes/cmd/${name}`, ldflags: kubernetesLdflags, seconds },
    megabytes,
  };
}

function kwok(name: PartName, seconds: number, megabytes: number): CatalogueEntry {
  const repository = "kubernetes-sigs/kwok";
  return {
    name,
    version: kwokVersion,
    onPath: { versionArguments: ["--version"], fits: sameMinor(kwokVersion) },
    download: (from, { os, arch }) => ({
      url: `${from.github}/${repository}/releases/download/${kwokVersion}/${name}-${os}-${arch}`,
      // kwok is not known to publish a file of checksums; GitHub serves the digest of each file of a release.
      checksums: [
        { url: `${from.githubApi}/repos/${repository}/releases/tags/${kwokVersion}`, format: "github-release" },
      ],
    }),
    build: {
      module: "kwok",
      package: `sigs.k8s.io/kwok/cmd/${name}`,
      ldflags: [`-X sigs.k8s.io/kwok/pkg/consts.Version=${kwokVersion}`],
      seconds,
    },
    megabytes,
  };
}

const etcd: CatalogueEntry = {
  name: "etcd",
  version: etcdVersion,
  onPath: { versionArguments: ["--version"], fits: sameMinor(etcdVersion) },
  download: (from, { os, arch }) => {
    const folder = `${from.github}/etcd-io/etcd/releases/download/${etcdVersion}`;
    const root = `etcd-${etcdVersion}-${os}-${arch}`;
    return {
      url: `${folder}/${root}.tar.gz`,
      checksums: [{ url: `${folder}/SHA256SUMS`, format: "text" }],
      archive: { files: [`${root}/etcd`] },
    };
  },
  build: { module: "etcd", package: "go.etcd.io/etcd/server/v3", ldflags: [], seconds: 50 },
  megabytes: 25,
};

const pulumi: CatalogueEntry = {
  name: "pulumi",
  version: pulumiVersion,
  onPath: {
    versionArguments: ["version"],
    fits: sameMajorAtLeast(pulumiVersion),
    // The engine looks for the language host beside the CLI first; a CLI without one cannot run this program.
    besides: ["pulumi-language-nodejs"],
  },
  download: (from, { os, arch }) => {
    const folder = `${from.github}/pulumi/pulumi/releases/download/${pulumiVersion}`;
    return {
      url: `${folder}/pulumi-${pulumiVersion}-${os}-${arch === "amd64" ? "x64" : arch}.tar.gz`,
      checksums: [
        { url: `${folder}/pulumi-${pulumiVersion.slice(1)}-checksums.txt`, format: "text" },
        { url: `${from.githubApi}/repos/pulumi/pulumi/releases/tags/${pulumiVersion}`, format: "github-release" },
      ],
      archive: { files: ["pulumi/pulumi", "pulumi/pulumi-language-nodejs"] },
    };
  },
  build: {
    module: "pulumi",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    ldflags: [`-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${pulumiVersion}`],
    tags: ["osusergo", "grpcnotrace"],
    seconds: 200,
  },
  megabytes: 110,
};

/** The parts, in the order in which they are built: what shares packages stands together. */
export const catalogue: readonly CatalogueEntry[] = [
  etcd,
  kubernetes("kube-apiserver", 210, 100),
  kubernetes("kube-controller-manager", 60, 90),
  kubernetes("kube-scheduler", 10, 70),
  kwok("kwok", 65, 60),
  kwok("kwokctl", 15, 55),
  pulumi,
  kubernetes("kubelet", 20, 80),
  kubernetes("kube-proxy", 10, 70),
  ...nodeParts,
];
