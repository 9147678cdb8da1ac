import type { Recipe } from "./recipe";

const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What builds of the lab start from inside dind: there is no registry to pull one from. */
export const base: Recipe = {
  reference: "localhost/busybox:lab",
  config: { Env: [path], Cmd: ["sh"] },
  packages: "busybox",
  only: ["usr/bin/busybox"],
  busybox: true,
  content: [
    { path: "tmp", folder: true, mode: 0o1777 },
    { path: "root", folder: true, mode: 0o700 },
    { path: "etc/passwd", text: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n" },
    { path: "etc/group", text: "root:x:0:\nnogroup:x:65534:\n" },
  ],
};

/** Holds a pod's namespaces. tini reaps, and passes SIGTERM on to a sleep that ends of it. */
export const pause: Recipe = {
  reference: "localhost/pause:lab",
  config: { Env: [path], Entrypoint: ["/usr/bin/tini-static", "--", "/usr/bin/busybox", "sleep", "2147483647"] },
  packages: "busybox",
  only: ["usr/bin/busybox", "usr/bin/tini-static"],
  content: [],
};
