/** The parts of every run: the model's control plane, and the Pulumi CLI. */
export const labPartNames = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kwok",
  "kwokctl",
  "pulumi",
] as const;

/** The parts that only the real node and its images need: Linux only, and never asked for by a plain run. */
export const realNodePartNames = [
  "kubelet",
  "kube-proxy",
  "containerd",
  "buildkite-agent",
  "dockerd",
  "docker",
  "docker-buildx",
] as const;

/** Every part there is, by the name of its binary. */
export const partNames = [...labPartNames, ...realNodePartNames] as const;

/** The name of a part: also the file name of its binary. */
export type PartName = (typeof partNames)[number];
