import type { IncomingMessage } from "node:http";

/** Why a body was not read to its end. */
export type BodyFault = "too_large" | "crowded_out" | "cut";

interface Reading {
  readonly giveUp: () => void;
}

/**
 * Reads request bodies within a bound on each and a bound on all together. Where all together would be too much, the one
 * that has been coming for the longest gives way: a sender that means it is done in a moment.
 */
export class RequestBodies {
  readonly #eachBytes: number;
  readonly #allBytes: number;
  readonly #readings = new Set<Reading>();
  #bytes = 0;

  constructor(eachBytes: number, allBytes: number) {
    this.#eachBytes = eachBytes;
    this.#allBytes = allBytes;
  }

  /** The whole body; or why not, and then nothing further is read of it. */
  read(request: IncomingMessage): Promise<Buffer | BodyFault> {
    const announced = request.headers["content-length"];
    if (announced !== undefined && Number(announced) > this.#eachBytes) {
      return Promise.resolve("too_large");
    }
    return new Promise((resolve) => {
      let body: Buffer = Buffer.alloc(0);
      let length = 0;
      const settle = (result: Buffer | BodyFault): void => {
        if (this.#readings.delete(reading)) {
          request.off("data", onData).pause();
          this.#bytes -= body.length;
          body = Buffer.alloc(0);
          resolve(result);
        }
      };
      const reading: Reading = {
        giveUp: () => {
          settle("crowded_out");
        },
      };
      const onData = (chunk: Buffer): void => {
        if (length + chunk.length > this.#eachBytes) {
          settle("too_large");
          return;
        }
        const before = body.length;
        if (length === 0) {
          // Nearly always it comes in one piece.
          body = chunk;
        } else {
          // One buffer that doubles: a list of a million one-byte pieces would take a hundred times their bytes.
          if (length + chunk.length > body.length) {
            const larger = Buffer.allocUnsafe(Math.min(2 * (length + chunk.length), this.#eachBytes));
            body.copy(larger, 0, 0, length);
            body = larger;
          }
          chunk.copy(body, length);
        }
        length += chunk.length;
        this.#bytes += body.length - before;
        this.#makeRoom(reading);
      };
      this.#readings.add(reading);
      request.on("data", onData);
      request.once("end", () => {
        settle(body.subarray(0, length));
      });
      request.once("error", () => {
        settle("cut");
      });
      request.once("close", () => {
        settle("cut");
      });
    });
  }

  #makeRoom(newest: Reading): void {
    for (const reading of this.#readings) {
      if (this.#bytes <= this.#allBytes) {
        return;
      }
      if (reading !== newest) {
        reading.giveUp();
      }
    }
  }
}
