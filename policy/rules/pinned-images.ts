import { textOf } from "../fields";
import { podOf } from "../pods";
import { type Rule, titleOf } from "../rule";

/** Images are named by what they contain. */
export const pinnedImages: Rule = {
  name: "pinned-images",
  description: "Images are pinned by digest.",
  severity: "medium",
  faultsOf(resource) {
    const unpinned = (podOf(resource)?.containers ?? []).flatMap(({ name, fields }) => {
      const image = textOf(fields["image"]) ?? "";
      return /@sha256:[0-9a-f]{64}$/.test(image) ? [] : [`${name} (${image})`];
    });
    return unpinned.length === 0
      ? []
      : [
          `${titleOf(resource)}: an image without digest in container ${unpinned.join(", ")}. A tag can be moved to another ` +
            "image overnight: one moved dind tag broke iptables on every node it reached (docker-library/docker #463). " +
            "Fix: <image>:<tag>@sha256:<digest>; in this project npm run pin-images asks the registry for it, elsewhere " +
            "docker buildx imagetools inspect <image>:<tag> does.",
        ];
  },
};
