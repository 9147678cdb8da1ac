import { join } from "node:path";
import { accounts } from "./accounts";
import type { Content, Ingredients, Recipe } from "./recipe";

const scripts = join(__dirname, "scripts");

/** Where a build of the lab finds the base image, to `docker load` it. The official image has no such file. */
export const baseInAgent = "/opt/lab/busybox.tar";

/**
 * Stands in for `buildkite/agent:3-ubuntu-24.04`: the same entrypoint, configuration, folders and environment around the
 * real agent, in a Debian root. `ssh-env-config.sh` only passes on; the official one also writes keys from the environment.
 */
export function agent({ parts, modules, baseArchive }: Ingredients): Recipe {
  const packaging = modules.agent === undefined ? scripts : join(modules.agent, "packaging/docker/ubuntu-24.04");
  const entrypoint = modules.agent === undefined ? "buildkite-agent-entrypoint" : "entrypoint.sh";
  const buildx = parts["docker-buildx"];
  const content: Content[] = [
    ...accounts(),
    { path: "buildkite/builds", folder: true },
    { path: "buildkite/hooks", folder: true },
    { path: "buildkite/plugins", folder: true },
    { path: "buildkite/buildkite-agent.cfg", from: join(packaging, "buildkite-agent.cfg"), mode: 0o644 },
    { path: "usr/local/bin/buildkite-agent", from: parts["buildkite-agent"].path, mode: 0o755 },
    { path: "usr/local/bin/buildkite-agent-entrypoint", from: join(packaging, entrypoint), mode: 0o755 },
    { path: "usr/local/bin/ssh-env-config.sh", from: join(scripts, "ssh-env-config.sh"), mode: 0o755 },
    { path: "usr/local/bin/docker", from: parts.docker.path, mode: 0o755 },
    { path: "usr/bin/awk", link: "mawk" },
  ];
  if (buildx !== undefined) {
    content.push({ path: "usr/local/lib/docker/cli-plugins/docker-buildx", from: buildx.path, mode: 0o755 });
  }
  if (baseArchive !== undefined) content.push({ path: baseInAgent.slice(1), from: baseArchive, mode: 0o644 });
  return {
    reference: "localhost/buildkite/agent:lab",
    config: {
      Env: [
        "PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "BUILDKITE_AGENT_CONFIG=/buildkite/buildkite-agent.cfg",
      ],
      Entrypoint: ["buildkite-agent-entrypoint"],
      Cmd: ["start"],
      Volumes: ["/buildkite"],
    },
    packages: "agent",
    content,
  };
}
