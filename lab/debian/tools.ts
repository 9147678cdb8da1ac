import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What is called by name, where it lies in the unpacked tree, and what it is to be told first. */
interface Tool {
  name: string;
  path: string;
  applet?: string;
}

const families = ["iptables", "ip6tables"].flatMap((family) => [family, `${family}-save`, `${family}-restore`]);

const tools: readonly Tool[] = [
  ...families.map((name) => ({ name, path: "usr/sbin/xtables-nft-multi", applet: name })),
  ...families.map((name) => ({
    name: name.replace("tables", "tables-legacy"),
    path: "usr/sbin/xtables-legacy-multi",
    applet: name,
  })),
  { name: "conntrack", path: "usr/sbin/conntrack" },
  { name: "ip", path: "usr/bin/ip" },
  { name: "bridge", path: "usr/sbin/bridge" },
  { name: "tc", path: "usr/sbin/tc" },
];

/**
 * Writes a folder for PATH whose scripts run the tree's tools with the tree's libraries. They find the tree beside
 * themselves, so that both may be moved together.
 *
 * @param root The unpacked tree.
 * @param folder Where to write, beside `root`.
 * @param rootName The name of `root` beside `folder`.
 */
export async function writeTools(root: string, folder: string, rootName: string): Promise<void> {
  const libraries = (await readdir(join(root, "usr/lib"))).filter((name) => name.endsWith("-linux-gnu"));
  await mkdir(folder);
  for (const { name, path, applet } of tools) {
    const tree = `"\${0%/*}"/../${rootName}`;
    const paths = libraries.map((library) => `${tree}/usr/lib/${library}`).join(":");
    const text = [
      "#!/bin/sh",
      `LD_LIBRARY_PATH=${paths}`,
      `XTABLES_LIBDIR=${libraries.map((library) => `${tree}/usr/lib/${library}/xtables`).join(":")}`,
      "export LD_LIBRARY_PATH XTABLES_LIBDIR",
      `exec ${tree}/${path}${applet === undefined ? "" : ` ${applet}`} "$@"`,
      "",
    ].join("\n");
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o755);
  }
}
