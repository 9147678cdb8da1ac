/** A Kubernetes quantity as people write it: `500m`, `1.5`, `4Gi`. */
export const QUANTITY = /^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/;

/** {@link QUANTITY} in words. */
export const QUANTITY_RULE = "a Kubernetes quantity such as 500m or 4Gi";

const FACTORS: Readonly<Record<string, number>> = {
  ...{ m: 1e-3, "": 1 },
  ...{ k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50 },
};

/**
 * A quantity as a plain number, as the API server writes it, too: `500m` is 0.5, `1Ki` is 1024.
 *
 * @throws RangeError when it is none.
 */
export function quantity(text: string | number): number {
  const match = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/.exec(String(text));
  const value = Number(match?.[1] ?? Number.NaN) * (FACTORS[match?.[2] ?? ""] ?? Number.NaN);
  if (Number.isNaN(value)) {
    throw new RangeError(`${JSON.stringify(text)} is not a Kubernetes quantity`);
  }
  return value;
}

/** The larger of two quantities, as it was written; `a` where there is no `b`. */
export function larger(a: string, b: string | undefined): string {
  return b !== undefined && quantity(b) > quantity(a) ? b : a;
}
