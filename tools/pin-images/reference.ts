/** An image as people name it, taken apart. */
export interface Reference {
  /** With its tag and without a digest, as it was written. */
  readonly tagged: string;
  /** As `docker login` knows it: `docker.io`, `ghcr.io`, `127.0.0.1:5000`. */
  readonly registry: string;
  /** Where its API is served; not the same at Docker Hub. */
  readonly host: string;
  /** Full path: `library/docker`. */
  readonly repository: string;
  readonly tag: string;
  /** Set where it is pinned already. */
  readonly digest?: string;
}

/** What follows `@`. The specification knows sha512, too; no registry is known to name manifests by it. */
export const DIGEST = /^sha256:[0-9a-f]{64}$/;

const HOST = /^(localhost|[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(:[0-9]{1,5})?$/i;
const REPOSITORY = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DOCKER_HUB = { registry: "docker.io", host: "registry-1.docker.io" };

/**
 * Reads an image's name as Docker does: without a registry it is Docker Hub's, without a folder `library`'s.
 *
 * @throws Error that says what is wrong with it: a tag is needed, since only a tag can be resolved.
 */
export function parseReference(text: string): Reference {
  const [name = "", digest, ...more] = text.split("@");
  const refuse = (rule: string) => new Error(`${JSON.stringify(text)} is no image that can be pinned: ${rule}`);
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) {
    throw refuse("after @ there must be one digest, sha256: and 64 hexadecimal digits");
  }
  const colon = name.lastIndexOf(":");
  if (colon <= name.lastIndexOf("/")) {
    throw refuse("it must end with a tag, as docker:29.7.2-dind does; an exact version, which is not moved on purpose");
  }
  const tag = name.slice(colon + 1);
  const path = name.slice(0, colon);
  if (!TAG.test(tag)) {
    throw refuse(`the tag must be 1 to 128 letters, digits, _ . and -, got ${JSON.stringify(tag)}`);
  }
  const slash = path.indexOf("/");
  const first = path.slice(0, Math.max(slash, 0));
  const named = /[.:]/.test(first) || first === "localhost";
  const repository = named ? path.slice(slash + 1) : path;
  if (!REPOSITORY.test(repository)) {
    throw refuse(`the repository must be lower-case letters, digits, . _ - and /, got ${JSON.stringify(repository)}`);
  }
  if (named && !HOST.test(first)) {
    throw refuse(`the registry must be a host with or without a port, got ${JSON.stringify(first)}`);
  }
  const common = { tagged: name, tag, ...(digest === undefined ? {} : { digest }) };
  if (!named || first === "docker.io" || first === "index.docker.io") {
    return { ...common, ...DOCKER_HUB, repository: repository.includes("/") ? repository : `library/${repository}` };
  }
  return { ...common, registry: first, host: first, repository };
}
