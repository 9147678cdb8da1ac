import type { ConformanceCase } from "../case";
import { DEATHS } from "./deaths";
import { DISTURBANCES } from "./disturbances";
import { ENDS } from "./ends";
import { ENGINE } from "./engine";
import { STARTS } from "./starts";
import { STOPS } from "./stops";
import { TOKENS } from "./tokens";

/** Every case there is, in the order of the table. */
export const CASES: readonly ConformanceCase[] = [
  ...ENDS,
  ...DEATHS,
  ...STOPS,
  ...STARTS,
  ...DISTURBANCES,
  ...ENGINE,
  ...TOKENS,
];
