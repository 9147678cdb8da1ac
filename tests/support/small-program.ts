import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getParts } from "../../lab/parts";
import { PulumiProject } from "../../lab/pulumi/project";
import { sharedControlPlane } from "./control-plane";

const ROOT = join(__dirname, "..", "..");

/** A program of tests/program/, with this project's components, under the real CLI and on the shared real API server. */
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
  await mkdir(source);
  for (const part of ["components", "dispatcher", "package.json", "tsconfig.json", "tsconfig.program.json"]) {
    await cp(join(ROOT, part), join(source, part), { recursive: true });
  }
  const text = await readFile(join(ROOT, "tests", "program", name, "index.ts"), "utf8");
  // There it lies beside the components.
  await writeFile(join(source, "index.ts"), text.replaceAll('"../../../', '"./'));
  await symlink(join(ROOT, "node_modules"), join(source, "node_modules"));
  await writeFile(
    join(source, "Pulumi.yaml"),
    `name: ${name}\nmain: index.ts\nruntime:\n  name: nodejs\n  options:\n    tsconfig: tsconfig.program.json\n`,
  );
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
