import type { Content } from "./recipe";

/** The files that base-passwd's and others' maintainer scripts would have written: none of those ever runs. */
export function accounts(users: string[] = [], groups: string[] = []): Content[] {
  const lines = (own: string[], more: string[]) => [...own, ...more, ""].join("\n");
  return [
    {
      path: "etc/passwd",
      text: lines(
        ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"],
        users,
      ),
    },
    { path: "etc/group", text: lines(["root:x:0:", "tty:x:5:", "nogroup:x:65534:"], groups) },
    { path: "etc/nsswitch.conf", text: "passwd: files\ngroup: files\nhosts: files dns\n" },
    { path: "root", folder: true, mode: 0o700 },
    { path: "tmp", folder: true, mode: 0o1777 },
    { path: "var/tmp", folder: true, mode: 0o1777 },
    { path: "run", folder: true },
    { path: "var/run", link: "/run" },
    { path: "proc", folder: true },
    { path: "sys", folder: true },
    { path: "dev", folder: true },
  ];
}
