/** A version as `[major, minor, patch]`. */
export type Version = readonly [major: number, minor: number, patch: number];

/** The first `x.y.z` in a text such as `Kubernetes v1.36.3`, or undefined where there is none. */
export function findVersion(text: string): Version | undefined {
  const match = /(?<![\d.])v?(\d+)\.(\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}

/** `v1.36.3` for `[1, 36, 3]`. */
export function formatVersion([major, minor, patch]: Version): string {
  return `v${major}.${minor}.${patch}`;
}

/** A rule that accepts any patch of the wanted minor version. */
export function sameMinor(wanted: string): (found: Version) => boolean {
  const [major, minor] = parse(wanted);
  return (found) => found[0] === major && found[1] === minor;
}

/** A rule that accepts the wanted version and whatever came later under the same major version. */
export function sameMajorAtLeast(wanted: string): (found: Version) => boolean {
  const [major, minor, patch] = parse(wanted);
  return (found) => found[0] === major && (found[1] > minor || (found[1] === minor && found[2] >= patch));
}

function parse(text: string): Version {
  const version = findVersion(text);
  if (version === undefined) {
    throw new Error(`not a version: ${text}`);
  }
  return version;
}
