import * as pulumi from "@pulumi/pulumi";
import { type ImageName, IMAGES } from "../components/images";
import type { Configuration } from "../config";
import { isProduction } from "./production";

const PINNED = /@sha256:[0-9a-f]{64}$/;

/** What is read of the configuration. */
export type ImageConfiguration = Pick<Configuration, "stack" | "protect" | "queues" | "nodeImage">;

/** Warns, once, where a production stack runs images by tag: whoever can move a tag decides what its builds run. */
export function warnOfUnpinnedImages(config: ImageConfiguration): void {
  const lines = isProduction(config.stack, config.protect) ? unpinnedImages(config) : [];
  if (lines.length > 0) {
    void pulumi.log.warn(
      `Stack ${config.stack} runs ${lines.length === 1 ? "an image" : `${lines.length} images`} by tag, without a digest: ` +
        `a tag can be moved to something else.\n${lines.map((line) => `  - ${line}`).join("\n")}`,
    );
  }
}

/** Every image without a digest: its key, itself, and the command that pins it. Pure, for the tests. */
export function unpinnedImages({ queues, nodeImage }: ImageConfiguration, images = IMAGES): string[] {
  const lines: string[] = [];
  const own = (key: string, image: string) => {
    if (!PINNED.test(image)) {
      // Resolved first, set only then: a resolution that fails must not leave the key without an image.
      const resolve = `image=$(npm run --silent pin-images -- '${image.replaceAll("'", "'\\''")}')`;
      lines.push(`${key} ${image}: ${resolve} && pulumi config set --path '${key}' "$image"`);
    }
  };
  const standard = (name: ImageName, keys: string) => {
    if (!PINNED.test(images[name])) {
      lines.push(
        `${name} of components/image-digests.json ${images[name]} (${keys} unset): npm run pin-images -- ${name}`,
      );
    }
  };
  for (const [name, key] of [
    ["agent", "agentImage"],
    ["dind", "dindImage"],
  ] as const) {
    const unset = queues.flatMap((queue, index) => (queue[key] === undefined ? [`queues[${index}].${key}`] : []));
    if (unset.length > 0) standard(name, unset.join(", "));
    queues.forEach((queue, index) => {
      if (queue[key] !== undefined) own(`queues[${index}].${key}`, queue[key]);
    });
  }
  if (nodeImage === undefined) {
    standard("node", "nodeImage");
  } else {
    own("nodeImage", nodeImage);
  }
  return lines;
}
