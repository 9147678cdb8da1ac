import { delimiter, dirname, join } from "node:path";
import type { PulumiInstallation } from "./pulumi-home";

/** Variables that decide what Pulumi, kubectl, gcloud or Node do; also what npm and a Buildkite agent leave behind. */
const FOREIGN =
  /^(PULUMI_|KUBE|GOOGLE_|CLOUDSDK_|GCLOUD_|AWS_|BUILDKITE_|npm_|NODE_OPTIONS$|NODE_COMPILE_CACHE$|TS_NODE_)/;

/** What the CLI and everything it starts get: nothing of the machine's own settings may decide what the lab sees. */
export function hermeticEnvironment(
  options: {
    workDir: string;
    compileCache?: string;
    kubernetesPlugin?: "double" | "real";
    env?: Readonly<Record<string, string>>;
  },
  installation: Pick<PulumiInstallation, "bin" | "home">,
): NodeJS.ProcessEnv {
  const folder = options.workDir;
  const cache = options.compileCache ?? join(folder, "tmp", "compile-cache");
  const inherited = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
  return {
    ...Object.fromEntries(inherited),
    PATH: [installation.bin, dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter),
    HOME: folder,
    TMPDIR: join(folder, "tmp"),
    NODE_COMPILE_CACHE: join(cache, "node"),
    TS_NODE_CACHE_DIRECTORY: join(cache, "ts-node"),
    PULUMI_HOME: installation.home,
    PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: join(folder, "passphrase"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: options.kubernetesPlugin === "real" ? "false" : "true",
    PULUMI_DISABLE_REGISTRY_RESOLVE: "true",
    PULUMI_SUPPRESS_NEO_LINK: "true",
    PULUMI_SKIP_CONFIRMATIONS: "true",
    // Makes --event-log known.
    PULUMI_DEBUG_COMMANDS: "true",
    ...options.env,
  };
}
