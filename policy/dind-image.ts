/** `latest`, `rc`, `29.7.2`, `29-rc`, `29.0.0-rc.2-alpine3.24`; not `cli`, `29-git`, `29-windowsservercore`, `20.10`. */
const WITHOUT_VARIANT =
  /^(?:latest|rc|(?:2[2-9]|[3-9]\d|\d{3,})(?:\.\d+){0,2}(?:-(?:rc|beta)(?:\.\d+)?)?(?:-alpine[\d.]*)?)$/;

/** Whether an image's name says that it is docker:dind: `docker:29.7.2-dind`, `registry.example/ci/dind:1`. */
export function isNamedDind(image: string): boolean {
  return /(^|[/:._-])dind([:@._-]|$)/.test(image);
}

/**
 * Whether an image is docker:dind without saying so: the official image's tags that name no variant, here or in a
 * mirror. They were the client's before 22.06 (docker-library/docker #369).
 */
export function isOfficialWithoutVariant(image: string): boolean {
  const match = /^(?:[^@]*\/)?docker(?::([^@:/]+))?(?:@.*)?$/.exec(image);
  return match !== null && WITHOUT_VARIANT.test(match[1] ?? "latest");
}
