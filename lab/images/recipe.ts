import type { DebianPackages, PackageSet } from "../debian";
import type { ImageConfig } from "./oci";

/** A binary as `getParts` hands it out; what belongs to it lies beside it. */
export interface ImagePart {
  path: string;
}

/** The parts that go into images. */
export interface ImageParts {
  "buildkite-agent": ImagePart;
  containerd: ImagePart;
  docker: ImagePart;
  dockerd: ImagePart;
  /** Goes into agent and dind where it is there. */
  "docker-buildx"?: ImagePart;
}

/** One thing that is put into an image's root, after its packages. */
export type Content =
  /** A copy of a file of this machine. */
  | { path: string; from: string; mode?: number }
  | { path: string; text: string; mode?: number }
  | { path: string; link: string }
  | { path: string; folder: true; mode?: number };

/** All there is to know about an image. */
export interface Recipe {
  reference: string;
  config: ImageConfig;
  packages: PackageSet;
  /** Where only these files of the packages are wanted, without what they depend on. */
  only?: string[];
  /** Where every applet of busybox is wanted, under the names of this folder. Those are there before the packages' own. */
  busybox?: boolean;
  content: Content[];
}

/** What recipes are made from. */
export interface Ingredients {
  parts: ImageParts;
  packages: DebianPackages;
  /** The Node.js binary of the node image. */
  node: string;
  /** The archive of the base image. Builds of the lab load it into dind. */
  baseArchive?: string;
  /** The folders of Go modules whose packaging is copied, where this machine has them. */
  modules: { agent?: string; moby?: string };
}
