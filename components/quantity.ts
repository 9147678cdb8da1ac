/** A Kubernetes quantity as people write it: `500m`, `1.5`, `4Gi`. */
export const QUANTITY = /^([0-9]+(?:\.[0-9]+)?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/;

/** {@link QUANTITY} in words. */
export const QUANTITY_RULE = "a Kubernetes quantity such as 500m or 4Gi";

const FACTORS: Readonly<Record<string, number>> = {
  m: 1e-3,
  ...{ k: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 },
};

/** The larger of two quantities, as it was written; `a` where there is no `b`. */
export function larger(a: string, b: string | undefined): string {
  return b !== undefined && numberOf(b) > numberOf(a) ? b : a;
}

/** NaN for what is no quantity: it is never the larger one. */
function numberOf(quantity: string): number {
  const [, digits, unit = ""] = QUANTITY.exec(quantity) ?? [];
  return Number(digits ?? Number.NaN) * (FACTORS[unit] ?? 1);
}
