import type { Aim } from "./aims";
import type { Growth, Reckoned } from "./growth";
import type { LostResult } from "./lost";
import type { TurnsResult } from "./measure-blocks";
import type { NodesResult } from "./nodes";
import type { ScaleRow } from "./scale-row";
import type { SteadyResult } from "./steady";

/**
 * `out/bench.json`. What was not asked for is absent. Ratios and aims compare only figures of this one run.
 */
export interface BenchResults {
  /** Scenario `blocks`: each is the dispatcher's figure divided by the raw one's. */
  readonly ratios?: TurnsResult["ratios"];
  readonly dispatcher?: TurnsResult["dispatcher"];
  readonly raw?: TurnsResult["raw"];
  /** What both had in common. */
  readonly setting?: TurnsResult["setting"];
  /** One job at a time. */
  readonly single?: TurnsResult;
  /** Scenarios `burst` and `growth`: the dispatcher's rows, by size. */
  readonly scale?: readonly ScaleRow[];
  /** The same Jobs posted straight to the API server. */
  readonly rawScale?: readonly ScaleRow[];
  /** The model of a polling controller: see polling-controller.ts for what it does not prove. */
  readonly pollingScale?: {
    readonly byDefault: readonly ScaleRow[];
    /** Sizes that were not run, with the time that follows from the largest one that was. */
    readonly byDefaultReckoned: readonly Reckoned[];
    readonly limitsRaised: readonly ScaleRow[];
  };
  readonly steady?: SteadyResult;
  /** No webhook at all. */
  readonly reconcileOnly?: ScaleRow;
  readonly lostWebhooks?: LostResult;
  readonly nodes?: NodesResult;
  readonly aims: readonly Aim[];
  /** `quick`: figures of no meaning. */
  readonly size: "standard" | "quick" | "full";
  /** How long the run took. */
  readonly seconds: number;
  readonly machine: Readonly<Record<string, string | number>>;
  /** The real parts with their versions, and what plays the others. */
  readonly parts: readonly { readonly name: string; readonly version: string; readonly kind: "real" | "stand-in" }[];
  readonly measuredAt: string;
}

/** What the scenarios measured. */
export type Measured = Omit<BenchResults, "aims" | "size" | "seconds" | "machine" | "parts" | "measuredAt">;

/** A growth as the results have it. */
export function scaleOf({ scale, raw, polling }: Growth): Pick<Measured, "scale" | "rawScale" | "pollingScale"> {
  return { scale, rawScale: raw, pollingScale: polling };
}
