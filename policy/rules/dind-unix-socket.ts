import { runsDockerd } from "../dind";
import { dockerdCommandOf } from "../dockerd-command";
import { podOf } from "../pods";
import { type Rule, titleOf } from "../rule";

const FIX =
  "Fix: args: [dockerd, --host=unix:///run/dind/docker.sock], that folder in a volume both containers mount, and " +
  "DOCKER_HOST=unix:///run/dind/docker.sock for the build.";

/** The Docker daemon of a build answers on a unix socket and nowhere else. */
export const dindUnixSocket: Rule = {
  name: "dind-unix-socket-only",
  description: "A docker:dind container listens on a unix socket only.",
  severity: "critical",
  faultsOf(resource) {
    return (podOf(resource)?.containers ?? []).filter(runsDockerd).flatMap((container) => {
      const where = `${titleOf(resource)}: container ${container.name}`;
      const { entrypointListens, hosts, unread } = dockerdCommandOf(container);
      const elsewhere = hosts.filter((host) => !host.startsWith("unix://"));
      return [
        ...(unread === undefined
          ? []
          : [
              `${where}: the script in ${unread} is too long or too nested to be read, so nobody can tell where its dockerd listens. ` +
                "Fix: plain arguments for the image's entrypoint (args: [dockerd, --host=unix:///run/dind/docker.sock]), " +
                "or a shorter script.",
            ]),
        ...(entrypointListens
          ? [
              `${where}: its first argument is not dockerd, so the image's entrypoint adds --host=tcp://0.0.0.0, also beside a --host of yours. ` +
                "With DOCKER_TLS_CERTDIR empty that is an unauthenticated API on the pod's address, root on the node for " +
                "whoever reaches it, 16 s after the start; with TLS it makes certificates first, about 6 s of every build " +
                `(docker-library/docker #294; moby #36357; published examples have this hole). ${FIX}`,
            ]
          : []),
        ...(elsewhere.length > 0
          ? [
              `${where}: dockerd is told to listen on ${elsewhere.map(schemeOf).join(", ")}. The API of a privileged daemon is root on the node for ` +
                `everybody who reaches it, other containers of the pod's network included (docker-library/docker #294). ${FIX}`,
            ]
          : []),
      ];
    });
  },
};

/** The address without what may be secret in it. */
function schemeOf(host: string): string {
  return /^[a-z]+:\/\//.exec(host)?.[0] ?? "an address that is no unix:// one";
}
