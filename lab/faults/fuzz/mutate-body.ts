import type { SeededRandom } from "../../buildkite";
import { mutateTree, pick, RawTexts } from "./mutate-tree";

/** A body and what was done to it. */
export interface MutatedBody {
  readonly body: Buffer;
  readonly how: string;
}

const MOST_CHANGES = 3;

/** Changes a genuine body: its values, then, for two of five, its bytes. */
export function mutateBody(tree: Record<string, unknown>, random: SeededRandom): MutatedBody {
  const raws = new RawTexts();
  const how: string[] = [];
  const changes = random.integer(0, MOST_CHANGES);
  for (let change = 0; change < changes && Object.keys(tree).length > 0; change += 1) {
    how.push(mutateTree(tree, raws, random));
  }
  const body = Buffer.from(raws.into(JSON.stringify(tree)));
  if (changes > 0 && random.next() < 0.6) {
    return { body, how: how.join(", ") };
  }
  const [what, change] = pick(BYTES, random);
  return { body: change(body, random), how: [...how, what].join(", ") };
}

const BYTES: readonly (readonly [string, (body: Buffer, random: SeededRandom) => Buffer])[] = [
  ["bits flipped", flipBits],
  ["cut short", (body, random) => body.subarray(0, random.integer(0, Math.max(body.length - 1, 0)))],
  ["empty", () => Buffer.alloc(0)],
  ["noise", (_, random) => noise(random, random.integer(1, 2_000))],
  [
    "noise inside",
    (body, random) => {
      const at = random.integer(0, body.length);
      return Buffer.concat([body.subarray(0, at), noise(random, random.integer(1, 20)), body.subarray(at)]);
    },
  ],
  ["twice", (body) => Buffer.concat([body, body])],
  ["in an array", (body) => Buffer.concat([Buffer.from("["), body, Buffer.from("]")])],
  ["as a text", (body) => Buffer.from(JSON.stringify(body.toString("utf8")))],
  ["a byte order mark", (body) => Buffer.concat([Buffer.from("\ufeff"), body])],
  ["UTF-16", (body) => Buffer.from(body.toString("utf8"), "utf16le")],
  ["no UTF-8", (body) => Buffer.concat([Buffer.from([0xc3, 0x28, 0xff]), body])],
  ["something behind it", (body) => Buffer.concat([body, Buffer.from("\u0000{}")])],
  ["a bare value", (_, random) => Buffer.from(pick(["null", "0", '""', "[]", "{}", "true", "1e999", "NaN"], random))],
];

function flipBits(body: Buffer, random: SeededRandom): Buffer {
  const copy = Buffer.from(body);
  const flips = copy.length === 0 ? 0 : random.integer(1, 8);
  for (let flip = 0; flip < flips; flip += 1) {
    const at = random.integer(0, copy.length - 1);
    copy[at] = (copy[at] ?? 0) ^ (1 << random.integer(0, 7));
  }
  return copy;
}

function noise(random: SeededRandom, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.integer(0, 255)));
}
