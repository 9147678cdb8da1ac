import { isIPv4 } from "node:net";
import type { AddressPool } from "./dind-job-template-args";

/** Networks smaller than this hold no containers beside their gateway. */
const LONGEST_PREFIX = 30;
/** No private range is larger (RFC 1918). */
const SHORTEST_SIZE = 8;

/**
 * The rules that a pool breaks, in words: dockerd does not start with a base that is no network, nor with networks larger
 * than their base ("invalid pools size", moby libnetwork/ipamutils).
 */
export function brokenPoolRules({ base, size }: AddressPool): { field: keyof AddressPool; rule: string }[] {
  const prefix = prefixLength(base);
  const smallest = Math.max(SHORTEST_SIZE, prefix ?? 0);
  const sized = Number.isInteger(size) && size >= smallest && size <= LONGEST_PREFIX;
  return [
    ...(prefix === undefined
      ? [
          {
            field: "base" as const,
            rule: `an IPv4 network such as 10.200.0.0/16, with a prefix length of at most ${LONGEST_PREFIX}`,
          },
        ]
      : []),
    ...(sized
      ? []
      : [
          {
            field: "size" as const,
            rule: `a whole number from ${smallest} to ${LONGEST_PREFIX} (the prefix length of each network, not below that of its base)`,
          },
        ]),
  ];
}

function prefixLength(base: string): number | undefined {
  const [, address = "", digits = ""] = /^([0-9.]+)\/([0-9]{1,2})$/.exec(base) ?? [];
  return isIPv4(address) && Number(digits) <= LONGEST_PREFIX ? Number(digits) : undefined;
}
