import { whyNoPackages } from "../debian";
import { whyNoNamespaces } from "../namespaces";
import { getRealParts } from "../real-parts";
import { getParts, labPartNames } from "./index";

/**
 * Gets every part that `npm test` needs on this machine and prints where it is: `tsx lab/parts/main.ts`. What the real
 * node needs besides, packages and images too, is got only where its tests run.
 */
async function main(): Promise<void> {
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      abort.abort(new Error(`stopped by ${signal}`));
    });
  }
  const print = (line: string) => {
    console.log(line);
  };
  const options = { signal: abort.signal, print };
  const reason = whyNoNamespaces() ?? whyNoPackages();
  if (reason !== undefined) print(`parts of a real node are left out: ${reason}`);
  const parts = reason === undefined ? (await getRealParts(options)).parts : await getParts(labPartNames, options);
  for (const part of Object.values(parts)) {
    print(`${part.name.padEnd(24)} ${part.version.padEnd(10)} ${part.from.padEnd(9)} ${part.path}`);
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
