/**
 * A small deterministic generator (mulberry32), so that one seed gives the same jobs, UUIDs and lengths again.
 * Not for secrets.
 */
export class SeededRandom {
  private state: number;

  /** @param seed any integer; equal seeds give equal sequences. */
  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** A number in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from `least` to `most`, both included. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** `digits` lower-case hex digits. */
  hex(digits: number): string {
    let text = "";
    while (text.length < digits) {
      text += this.integer(0, 15).toString(16);
    }
    return text;
  }

  /** A lower-case UUID of version 4. */
  uuid(): string {
    const variant = ["8", "9", "a", "b"][this.integer(0, 3)] ?? "8";
    return `${this.hex(8)}-${this.hex(4)}-4${this.hex(3)}-${variant}${this.hex(3)}-${this.hex(12)}`;
  }
}
