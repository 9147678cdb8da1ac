import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROWS } from "../lab/faults/rows";
import { faultsTable, withFaultsTable } from "./faults-table";

const path = join(__dirname, "..", "docs", "faults.md");
writeFileSync(path, withFaultsTable(readFileSync(path, "utf8"), faultsTable(ROWS)));
