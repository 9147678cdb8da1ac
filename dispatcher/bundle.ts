import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { buildSync } from "esbuild";

/** The dispatcher as one file of plain JavaScript. */
export interface DispatcherBundle {
  code: string;
  /** Of the code, in hex. */
  sha256: string;
  bytes: number;
}

/**
 * Bundles the service. The same sources and the same node_modules give the same bytes, whatever the working directory,
 * wherever the project lies and whether its node_modules is a link: other bytes would be a change that every other
 * machine's `pulumi up` would undo.
 */
export function buildDispatcherBundle(): DispatcherBundle {
  const { outputFiles } = buildSync({
    absWorkingDir: dirname(__dirname),
    entryPoints: ["dispatcher/main.ts"],
    bundle: true,
    write: false,
    platform: "node",
    target: "node24",
    format: "cjs",
    minify: true,
    legalComments: "none",
    sourcemap: false,
    charset: "utf8",
    preserveSymlinks: true,
    // Whatever tsconfig.json stands around must not decide what is built.
    tsconfigRaw: {},
    logLevel: "silent",
  });
  const [output] = outputFiles;
  if (output === undefined) {
    throw new Error("esbuild gave no output for dispatcher/main.ts");
  }
  const code = output.text;
  const sha256 = createHash("sha256").update(code).digest("hex");
  return { code, sha256, bytes: Buffer.byteLength(code) };
}
