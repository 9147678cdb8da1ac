import type { PartName } from "./names";
import type { Version } from "./version";

/** The machine a download is for, in the publishers' own words. */
export interface Platform {
  /** `linux`, `darwin`. */
  os: string;
  /** As Go says it: `amd64`, `arm64`. */
  arch: string;
}

/**
 * Where publishers serve their downloads, without a closing slash. Tests put a local server here.
 *
 * Not one of these was ever tried: the code that uses them was only run against a server on loopback.
 */
export interface Publishers {
  kubernetes: string;
  github: string;
  githubApi: string;
}

/** The publishers' own addresses. */
export const publishers: Publishers = {
  kubernetes: "https://dl.k8s.io",
  github: "https://github.com",
  githubApi: "https://api.github.com",
};

/** Where one checksum is served: a text file (`<hex>` or `<hex>  <file>` lines), or GitHub's description of a release. */
export interface ChecksumSource {
  url: string;
  format: "text" | "github-release";
}

/** One publisher's download of a part. */
export interface Download {
  url: string;
  /** Tried in this order; without an answer from one of them nothing is downloaded. */
  checksums: ChecksumSource[];
  /** Set where the download is a `.tar.gz`: the files to take out of it, as they are named inside. The first is the binary. */
  archive?: { files: string[] };
}

/** One row of the catalogue: all there is to know about a part. A new part is a new row. */
export interface CatalogueEntry {
  name: PartName;
  /** The version that is downloaded or built, with its `v`. */
  version: string;
  /** When a binary on PATH will do; left out where none will. */
  onPath?: {
    /** What to ask it for its version. */
    versionArguments: string[];
    /** Whether that version will do. */
    fits: (found: Version) => boolean;
    /** Files that must lie beside it (links followed). */
    besides?: string[];
  };
  /** Left out where the publisher serves no checksum: what cannot be verified is not downloaded. */
  download?: (from: Publishers, platform: Platform) => Download;
  build: {
    /** The folder under `lab/parts/go` that pins the module. */
    module: string;
    package: string;
    /** What is built into the same folder: file name to package. */
    companions?: Record<string, string>;
    ldflags: string[];
    gcflags?: string;
    tags?: string[];
    /** Seconds it takes cold on 2 cores, after the parts above it in the table. Measured. */
    seconds: number;
  };
  /** What the download weighs, in MB. An estimate from our own builds. */
  megabytes: number;
}
