import { parseArgs } from "node:util";

/** What a person may say on the command line. */
export interface PinOptions {
  /** Names of components/image-digests.json, or images with tags. None: all of the file. */
  readonly images: readonly string[];
  readonly check: boolean;
  readonly dryRun: boolean;
  readonly insecure: readonly string[];
}

/** A wrong argument: the text says which, the rule and the value. */
export class UsageError extends Error {}

export const HELP = `npm run pin-images -- [options] [image ...]

Asks registries what image tags point at, and writes the digests into components/image-digests.json. Standard output has one
pinned reference for each image, everything else goes to standard error.

  image           one of the names in components/image-digests.json (agent, dind, node), to ask for that one only; or any
                  image with a tag, which is only printed:
    image=$(npm run --silent pin-images -- 'ghcr.io/acme/agent:1.2') && pulumi config set --path 'queues[0].agentImage' "$image"
  --check         write nothing; exit code 1 if an image has no digest or its tag points elsewhere now
  --dry-run       write nothing; say what would be written
  --insecure HOST[:PORT]
                  ask this registry over plain HTTP; may be repeated. Without it only loopback is
  --help          this text

Each digest is that of the image's index (all platforms) where it has one; it is written only if the manifest served
for it has it and holds linux/amd64. Nothing is written unless all images were resolved. Credentials are those that
docker login left in config.json (DOCKER_CONFIG, else ~/.docker); credential helpers are not run. Behind a proxy set
HTTPS_PROXY and NODE_USE_ENV_PROXY=1.

Exit codes: 0 all is well, 1 see --check, 2 wrong arguments, 3 an image could not be resolved.
`;

/**
 * Reads the command line.
 *
 * @returns "help" when that was asked for.
 * @throws UsageError
 */
export function readOptions(argv: readonly string[]): PinOptions | "help" {
  const { values, positionals } = parsed(argv);
  if (values.help) return "help";
  if (values.check && values["dry-run"]) {
    throw new UsageError("--check and --dry-run cannot be used together: neither writes, keep one of them");
  }
  for (const host of values.insecure) {
    if (!/^[a-z0-9.-]+(:\d{1,5})?$/i.test(host)) {
      throw new UsageError(`--insecure must be a host with or without a port, got ${JSON.stringify(host)}`);
    }
  }
  return { images: positionals, check: values.check, dryRun: values["dry-run"], insecure: values.insecure };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        check: { type: "boolean", default: false },
        "dry-run": { type: "boolean", default: false },
        insecure: { type: "string", multiple: true, default: [] },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
