import { getParts, partNames } from "./index";

/** Gets every part and prints where it is: `tsx lab/parts/main.ts`. */
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
  const parts = await getParts(partNames, { signal: abort.signal, print });
  for (const part of Object.values(parts)) {
    print(`${part.name.padEnd(24)} ${part.version.padEnd(10)} ${part.from.padEnd(9)} ${part.path}`);
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
