import { spawn } from "node:child_process";
import { chmod, copyFile, constants, mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";

/** How the container's processes run on this host. */
export interface ContainerRuntime {
  /** Stands for the image's `node`. */
  readonly node: string;
  /** The container's user where we may change to it, else undefined: the lab's own. */
  readonly user: number | undefined;
}

/**
 * Finds how to run the image's `node` as the container's user. Only root can change users; and the user must be able to
 * execute this very Node, which may lie in somebody's private folder: then a copy is made.
 *
 * @param folder where the link or copy goes; every process of a container is started by a path inside it, which is how
 * a watchdog finds those that are left over.
 */
export async function containerRuntime(folder: string, user: number): Promise<ContainerRuntime> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  const node = join(bin, "node");
  await symlink(process.execPath, node);
  if (process.getuid?.() !== 0) {
    return { node, user: undefined };
  }
  if (await runs(node, user)) {
    return { node, user };
  }
  await rm(node);
  await copyFile(process.execPath, node, constants.COPYFILE_FICLONE);
  await chmod(node, 0o755);
  if (await runs(node, user)) {
    return { node, user };
  }
  return { node, user: undefined };
}

async function runs(node: string, user: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const child = spawn(node, ["--version"], { uid: user, gid: user, cwd: "/", env: {}, stdio: "ignore" });
    child.on("error", () => {
      resolve(false);
    });
    child.on("exit", (code) => {
      resolve(code === 0);
    });
  });
}
