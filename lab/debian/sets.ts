/** What is taken from the distribution, by what it is for. Everything they depend on comes along. */
export const packageSets = {
  /** Tools the real node runs on this machine: the OCI runtime, CNI plugins, and what kubelet and kube-proxy call. */
  host: ["runc", "containernetworking-plugins", "iptables", "conntrack", "iproute2"],
  /** The agent's image: what the official Ubuntu image has and a build of the lab uses. */
  agent: [
    "base-files",
    "bash",
    "ca-certificates",
    "coreutils",
    "curl",
    "dash",
    "debianutils",
    "diffutils",
    "findutils",
    "git",
    "grep",
    "gzip",
    "hostname",
    "jq",
    "libc-bin",
    "mawk",
    "openssh-client",
    "procps",
    "sed",
    "tar",
    "tini",
    "util-linux",
  ],
  /** docker:dind is Alpine: busybox is its shell. Debian's busybox lacks flock, mountpoint, pgrep and pkill. */
  dind: [
    "base-files",
    "busybox-static",
    "ca-certificates",
    "iptables",
    "openssl",
    "procps",
    "runc",
    "tini",
    "util-linux",
  ],
  /** The image that runs the dispatcher. */
  node: ["base-files", "ca-certificates", "coreutils", "dash", "libc6", "libgcc-s1", "libstdc++6"],
  /** The pod sandbox and the base image of builds. */
  busybox: ["busybox-static", "tini"],
} as const satisfies Record<string, readonly string[]>;

/** The name of a set. */
export type PackageSet = keyof typeof packageSets;

/**
 * What packages depend on for their installation only, which never happens here: an unpacked tree runs no maintainer
 * scripts. Without Perl git lacks a few commands written in it (`git add -p`, `send-email`), which no build of the lab uses.
 */
export const leftOut: readonly RegExp[] = [
  /^perl/,
  /^libperl/,
  /^lib.+-perl$/,
  /^(adduser|debconf|dpkg|git-man|init-system-helpers|login|openssl-provider-legacy|passwd|sensible-utils|usrmerge)$/,
  /^util-linux-extra$/,
  /^lib(pam|semanage|sepol)/,
  /^(gcc-\d+-base|libgdbm|readline-common)/,
  /^(libdb5\.3|libsasl2-modules-db)$/,
];
