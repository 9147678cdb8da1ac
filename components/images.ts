/**
 * The container images used when a caller names none: exact version tags, never `latest`. None carries a digest, because
 * none was fetched where this was written; a digest nobody fetched is not written down.
 */
export const IMAGES = {
  /**
   * Buildkite's agent, major 3: the version that the conformance suite builds from source and runs. Newer than 3.137.2,
   * whose predecessors can hang after a refused heartbeat (agent PR 4274).
   */
  agent: "buildkite/agent:3.138.1",
  /** Docker's own dind image: dockerd, its entrypoint and docker-init. */
  dind: "docker:29.7.2-dind",
  /** Stock Node that runs the dispatcher's bundle. */
  node: "node:24.21.0-slim",
} as const;
