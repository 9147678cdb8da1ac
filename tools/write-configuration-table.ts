import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configurationTable, withConfigurationTable } from "./configuration-table";

/** Writes README.md's configuration table anew: `npm run docs:configuration`. */
const path = join(__dirname, "..", "README.md");
const before = readFileSync(path, "utf8");
const after = withConfigurationTable(before, configurationTable());
writeFileSync(path, after);
process.stdout.write(
  after === before ? "README.md is current\n" : "README.md: the configuration table was written anew\n",
);
