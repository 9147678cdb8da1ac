import { inflateSync } from "node:zlib";

/** A picture, decoded. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** The pixel's red, green and blue as one number, 0xrrggbb. */
  readonly pixel: (x: number, y: number) => number;
}

const SIGNATURE = "89504e470d0a1a0a";

/**
 * Decodes a PNG as Chromium writes screenshots: 8 bits, RGB or RGBA, not interlaced. Checksums are not looked at.
 *
 * @throws Error for any other kind.
 */
export function decodePng(file: Buffer): Picture {
  if (file.subarray(0, 8).toString("hex") !== SIGNATURE) {
    throw new Error("no PNG");
  }
  const data: Buffer[] = [];
  let header: Buffer | undefined;
  for (let at = 8; at < file.length;) {
    const length = file.readUInt32BE(at);
    const type = file.toString("latin1", at + 4, at + 8);
    const body = file.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") {
      header = body;
    } else if (type === "IDAT") {
      data.push(body);
    }
    at += length + 12;
  }
  const [width, height] = [header?.readUInt32BE(0) ?? 0, header?.readUInt32BE(4) ?? 0];
  const channels = { 2: 3, 6: 4 }[header?.[9] ?? 0];
  if (header?.[8] !== 8 || channels === undefined || header[12] !== 0) {
    throw new Error(`a kind of PNG that is not read here: header ${header?.toString("hex") ?? "missing"}`);
  }
  const pixels = unfilter(inflateSync(Buffer.concat(data)), width * channels, height, channels);
  return {
    width,
    height,
    pixel: (x, y) => pixels.readUIntBE((y * width + x) * channels, 3),
  };
}

/** Undoes what each line's first byte says was done to it. */
function unfilter(raw: Buffer, stride: number, height: number, channels: number): Buffer {
  const out = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)] ?? 0;
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x >= channels ? (out[at - channels] ?? 0) : 0;
      const up = y > 0 ? (out[at - stride] ?? 0) : 0;
      const corner = x >= channels && y > 0 ? (out[at - stride - channels] ?? 0) : 0;
      const value = raw[y * (stride + 1) + 1 + x] ?? 0;
      out[at] = value + predicted(filter, left, up, corner);
    }
  }
  return out;
}

function predicted(filter: number, left: number, up: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4: {
      const guess = left + up - corner;
      const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
      return a <= b && a <= c ? left : b <= c ? up : corner;
    }
    default:
      return 0;
  }
}
