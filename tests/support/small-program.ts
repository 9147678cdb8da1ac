import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getParts } from "../../lab/parts";
import { PulumiProject } from "../../lab/pulumi/project";
import { sharedControlPlane } from "./control-plane";

const ROOT = join(__dirname, "..", "..");
const PACKAGE = "buildkite-scale-to-zero";

/**
 * A program of tests/program/ in a project of its own, with this one as a workspace of it, as docs/components.md says, under the real CLI and on the shared real API server. */
export interface SmallProgram {
  readonly project: PulumiProject;
  /** Removes its folder; what it made in the cluster stays with the control plane. */
  remove(): Promise<void>;
}

/**
 * Lays it out.
 *
 * @param name of its folder, and of the Pulumi project.
 * @param config below the project's own namespace, beside `kubeconfig`, which is set for it.
 */
export async function smallProgram(
  name: string,
  config: Readonly<Record<string, string>>,
  secrets: Readonly<Record<string, string>> = {},
): Promise<SmallProgram> {
  const { kubeconfigPath } = await sharedControlPlane();
  const { pulumi } = await getParts(["pulumi"], { print: () => undefined });
  const folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
  const source = join(folder, "source");
  await layOutPackage(source);
  const text = await readFile(join(ROOT, "tests", "program", name, "index.ts"), "utf8");
  await writeFile(join(source, "index.ts"), text.replaceAll('"../../../', `"./${PACKAGE}/`));
  await writeFile(
    join(source, "tsconfig.json"),
    JSON.stringify({ extends: `./${PACKAGE}/tsconfig.program.json`, compilerOptions: { rootDir: "." } }),
  );
  await writeFile(join(source, "Pulumi.yaml"), `name: ${name}\nmain: index.ts\nruntime: nodejs\n`);
  await writeFile(join(source, "Pulumi.test.yaml"), "config: {}\n");
  const own = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [`${name}:${key}`, value]));
  const project = await PulumiProject.create({
    ...{ source, stack: "test", workDir: join(folder, "pulumi"), pulumi: pulumi.path },
    config: own({ ...config, kubeconfig: kubeconfigPath }),
    secrets: own(secrets),
  });
  return {
    project,
    remove: async () => {
      await project.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What `npm install` makes of a project that has this package as a workspace: one node_modules, with a link to it. */
async function layOutPackage(source: string): Promise<void> {
  const modules = join(source, "node_modules");
  await mkdir(modules, { recursive: true });
  for (const name of await readdir(join(ROOT, "node_modules"))) {
    await symlink(join(ROOT, "node_modules", name), join(modules, name));
  }
  await symlink(join("..", PACKAGE), join(modules, PACKAGE));
  for (const part of ["components", "dispatcher", "package.json", "tsconfig.json", "tsconfig.program.json"]) {
    await cp(join(ROOT, part), join(source, PACKAGE, part), { recursive: true });
  }
  await writeFile(join(source, "package.json"), JSON.stringify({ private: true, workspaces: [PACKAGE] }));
}
