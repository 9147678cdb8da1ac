import { labPartNames, getParts, partNames } from "./index";

/**
 * Gets every part that `npm test` needs on this machine and prints where it is: `tsx lab/parts/main.ts`. The real node's
 * are fetched only where its tests run.
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
  const parts = await getParts(canRunRealNode() ? partNames : labPartNames, { signal: abort.signal, print });
  for (const part of Object.values(parts)) {
    print(`${part.name.padEnd(24)} ${part.version.padEnd(10)} ${part.from.padEnd(9)} ${part.path}`);
  }
}

/** The first of the conditions that the real node asks for; the others cost nothing to find out later. */
function canRunRealNode(): boolean {
  return process.platform === "linux" && process.getuid?.() === 0;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
