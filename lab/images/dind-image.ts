import { dirname, join } from "node:path";
import { accounts } from "./accounts";
import type { Content, Ingredients, Recipe } from "./recipe";

const scripts = join(__dirname, "scripts");
const bin = "usr/local/bin";

/**
 * Stands in for `docker:29-dind`: the real dockerd, containerd, CLI and moby's own `dind`, behind an entrypoint of ours
 * that keeps the official one's contract. runc, tini and iptables are Debian's, not those of the official Alpine image;
 * rootless mode is left out.
 */
export function dind({ parts, modules }: Ingredients): Recipe {
  const containerd = dirname(parts.containerd.path);
  const own = (name: string): Content => ({ path: `${bin}/${name}`, from: join(scripts, name), mode: 0o755 });
  const binary = (name: string, from: string): Content => ({ path: `${bin}/${name}`, from, mode: 0o755 });
  const content: Content[] = [
    ...accounts([], ["docker:x:2375:"]),
    binary("docker", parts.docker.path),
    binary("dockerd", parts.dockerd.path),
    binary("docker-proxy", join(dirname(parts.dockerd.path), "docker-proxy")),
    binary("containerd", parts.containerd.path),
    binary("containerd-shim-runc-v2", join(containerd, "containerd-shim-runc-v2")),
    binary("ctr", join(containerd, "ctr")),
    { path: `${bin}/docker-init`, link: "/usr/bin/tini" },
    own("dockerd-entrypoint.sh"),
    own("docker-entrypoint.sh"),
    modules.moby === undefined ? own("dind") : binary("dind", join(modules.moby, "hack/dind")),
    // Debian picks these by a maintainer script; the official image has both and takes nft where nothing says otherwise.
    ...["iptables", "ip6tables"].flatMap((family) =>
      ["", "-save", "-restore"].flatMap((suffix): Content[] => [
        { path: `usr/sbin/${family}${suffix}`, link: "xtables-nft-multi" },
        { path: `usr/local/sbin/.iptables-legacy/${family}${suffix}`, link: "/usr/sbin/xtables-legacy-multi" },
      ]),
    ),
    // Debian's runc is older than the one moby ships, and does not know the time namespaces moby asks for.
    { path: "etc/docker/daemon.json", text: JSON.stringify({ features: { "time-namespaces": false } }) + "\n" },
    { path: "certs", folder: true, mode: 0o1777 },
    { path: "certs/client", folder: true, mode: 0o1777 },
    { path: "var/lib/docker", folder: true },
    { path: "lib/modules", folder: true },
  ];
  const buildx = parts["docker-buildx"];
  if (buildx !== undefined) {
    content.push({ path: "usr/local/libexec/docker/cli-plugins/docker-buildx", from: buildx.path, mode: 0o755 });
  }
  return {
    reference: "localhost/docker:lab-dind",
    config: {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DOCKER_TLS_CERTDIR=/certs"],
      Entrypoint: ["dockerd-entrypoint.sh"],
      Volumes: ["/var/lib/docker"],
      ExposedPorts: ["2375/tcp", "2376/tcp"],
    },
    packages: "dind",
    busybox: true,
    content,
  };
}
