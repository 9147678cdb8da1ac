import { existsSync } from "node:fs";
import { access, chmod, constants, copyFile, link, mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { build } from "esbuild";

/** A CLI that is ready to run, with everything it will look for. */
export interface PulumiInstallation {
  /** Path of the CLI to start. */
  cli: string;
  /** Value of `PULUMI_HOME`. */
  home: string;
  /** Goes first on PATH. */
  bin: string;
  languageHost: "official" | "stand-in";
  /** Exact versions that the program's SDK packages ask for. */
  pluginVersions: { gcp: string; kubernetes: string };
}

const ENTRY_POINTS = {
  "language-host": "language-host/main.ts",
  gcp: "gcp-plugin/main.ts",
  kubernetes: "kubernetes-plugin/main.ts",
} as const;

/**
 * Lays out a private `PULUMI_HOME` with the doubles in its plugin cache, where the engine finds them without a warning,
 * and the CLI with a Node language host beside it.
 *
 * @param cli path of the CLI.
 * @param program folder of the program, whose packages decide the plugins' versions.
 * @param folder a folder of our own.
 */
export async function installPulumi(options: {
  cli: string;
  program: string;
  folder: string;
  kubernetesPlugin: "double" | "real";
}): Promise<PulumiInstallation> {
  const { folder } = options;
  const [home, bin, code] = [join(folder, "home"), join(folder, "bin"), join(folder, "doubles")];
  await Promise.all([home, bin, code].map((path) => mkdir(path, { recursive: true })));
  const bundles = await bundleDoubles();
  await Promise.all([...bundles].map(([name, text]) => writeFile(join(code, `${name}.js`), text)));
  const require = createRequire(join(options.program, "package.json"));
  const pluginVersions = { gcp: await sdkVersion(require, "gcp"), kubernetes: await sdkVersion(require, "kubernetes") };
  await installPlugin(home, "gcp", pluginVersions.gcp, join(code, "gcp.js"));
  // The real one is then found, or not, as on any machine. This way was never tried.
  if (options.kubernetesPlugin === "double") {
    await installPlugin(home, "kubernetes", pluginVersions.kubernetes, join(code, "kubernetes.js"));
  }
  await copyFile(
    join(__dirname, "cluster-credential", "gke-gcloud-auth-plugin.sh"),
    join(bin, "gke-gcloud-auth-plugin"),
  );
  await chmod(join(bin, "gke-gcloud-auth-plugin"), 0o755);
  const host = await installCli(options.cli, bin, join(code, "language-host.js"));
  return { cli: host.cli, home, bin, languageHost: host.languageHost, pluginVersions };
}

let bundled: Promise<Map<string, string>> | undefined;

/** One file per double: a plugin then starts in a fraction of a second, and it is started once or twice per command. */
function bundleDoubles(): Promise<Map<string, string>> {
  bundled ??= bundle();
  return bundled;
}

async function bundle(): Promise<Map<string, string>> {
  const result = await build({
    absWorkingDir: __dirname,
    entryPoints: Object.fromEntries(Object.entries(ENTRY_POINTS)),
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    outdir: "bundles",
    write: false,
    logLevel: "error",
  });
  return new Map(result.outputFiles.map((file) => [file.path.replace(/^.*[\\/]/, "").replace(/\.js$/, ""), file.text]));
}

async function sdkVersion(require: NodeJS.Require, name: "gcp" | "kubernetes"): Promise<string> {
  const manifest = JSON.parse(await readFile(require.resolve(`@pulumi/${name}/package.json`), "utf8")) as {
    version: string;
    pulumi?: { version?: string };
  };
  return manifest.pulumi?.version ?? manifest.version;
}

async function installPlugin(home: string, name: string, version: string, script: string): Promise<void> {
  const folder = join(home, "plugins", `resource-${name}-v${version}`);
  await mkdir(folder, { recursive: true });
  await writeScript(join(folder, `pulumi-resource-${name}`), `LAB_PLUGIN_VERSION=${version} exec`, script);
}

/** A shell script that becomes Node with a script: the engine then has the process it started, and can end it. */
async function writeScript(file: string, exec: string, script: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${exec} '${process.execPath}' '${script}' "$@"\n`, { mode: 0o755 });
}

async function installCli(
  cli: string,
  bin: string,
  script: string,
): Promise<Pick<PulumiInstallation, "cli" | "languageHost">> {
  const name = "pulumi-language-nodejs";
  const original = await realpath(cli);
  if (existsSync(join(dirname(original), name))) {
    return { cli: original, languageHost: "official" };
  }
  // The engine looks beside the CLI, after resolving links, before PATH. So the CLI itself has to be beside our host.
  const ours = join(bin, "pulumi");
  await link(original, ours).catch(() => copyFile(original, ours, constants.COPYFILE_FICLONE));
  const official = await onPath(name);
  if (official !== undefined) {
    await writeFile(join(bin, name), `#!/bin/sh\nexec '${official}' "$@"\n`, { mode: 0o755 });
    return { cli: ours, languageHost: "official" };
  }
  await writeScript(join(bin, name), "exec", script);
  return { cli: ours, languageHost: "stand-in" };
}

async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const candidate = join(folder, name);
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (folder !== "" && found) {
      return candidate;
    }
  }
  return undefined;
}
