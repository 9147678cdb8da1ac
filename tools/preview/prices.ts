/**
 * What a machine costs, as a stated assumption: on-demand list prices of us-central1 in US dollars an hour, and Spot's part
 * of them, from the price table of the cluster autoscaler (gce_price_info.go), read in August 2026. Other regions cost up
 * to a third more; disks, the cluster's fee and network are not in it.
 */
const LIST: Readonly<Record<string, number>> = {
  "e2-standard-4": 0.134,
  "e2-standard-8": 0.268,
  "n2-standard-8": 0.3885,
  "c3-standard-8": 0.418,
};

const SPOT_PART: Readonly<Record<string, number>> = { e2: 0.3, n2: 0.24, n2d: 0.1 };

/** The words that go under every table with a price. */
export const ASSUMPTION =
  "Prices are assumptions: list prices of us-central1 from the cluster autoscaler's table (gce_price_info.go, read August 2026), Spot at 30 % (e2), 24 % (n2) of them; without disks, cluster fee and network.";

/** US dollars for one node and hour; undefined for a machine type, or a Spot family, whose price is not in the table. */
export function nodeHour(machineType: string, spot: boolean): number | undefined {
  const list = LIST[machineType];
  const part = spot ? SPOT_PART[machineType.split("-")[0] ?? ""] : 1;
  return list === undefined || part === undefined ? undefined : list * part;
}
