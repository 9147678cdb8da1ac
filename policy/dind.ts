import { isNamedDind, isOfficialWithoutVariant } from "./dind-image";
import { startsDockerd } from "./dockerd-command";
import { textOf, textsOf } from "./fields";
import type { ReviewedContainer, ReviewedPod } from "./pods";

/** Whether a container runs a Docker daemon: by its image, or by a command or argument that starts one. */
export function runsDockerd(container: ReviewedContainer): boolean {
  const { fields } = container;
  const image = textOf(fields["image"]) ?? "";
  const [command, args] = [textsOf(fields["command"]), textsOf(fields["args"])];
  return (
    isNamedDind(image) ||
    // The same image is a client as soon as it is told what else to run: `docker:29` with `args: [docker, build, .]`.
    (isOfficialWithoutVariant(image) && command.length === 0 && (args[0]?.startsWith("-") ?? true)) ||
    startsDockerd(container)
  );
}

/** Whether a pod runs one. */
export function podRunsDockerd(pod: ReviewedPod): boolean {
  return pod.containers.some(runsDockerd);
}
