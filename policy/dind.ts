import { textOf, textsOf } from "./fields";
import type { ReviewedContainer, ReviewedPod } from "./pods";

/**
 * Whether a container runs a Docker daemon: by its image (`docker:29.7.2-dind`, `registry.example/ci/dind:1`), or by a
 * command or argument that starts one.
 */
export function runsDockerd({ fields }: ReviewedContainer): boolean {
  const image = textOf(fields["image"]) ?? "";
  const words = [...textsOf(fields["command"]), ...textsOf(fields["args"])];
  return (
    /(^|[/:._-])dind([:@._-]|$)/.test(image) ||
    words.some((word) => /^(\S*\/)?dockerd$|dockerd-entrypoint\.sh|(^|[\s/;&|(])dockerd\s+-/.test(word))
  );
}

/** Whether a pod runs one. */
export function podRunsDockerd(pod: ReviewedPod): boolean {
  return pod.containers.some(runsDockerd);
}
