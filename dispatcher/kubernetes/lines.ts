const NEWLINE = 10;

/** The lines of a byte stream, decoded as UTF-8; empty lines are left out, and so is an unfinished last one. */
export async function* readLines(stream: AsyncIterable<Buffer>): AsyncGenerator<string, void, void> {
  let pending: Buffer[] = [];
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line =
        pending.length === 0 ? chunk.subarray(start, end) : Buffer.concat([...pending, chunk.subarray(start, end)]);
      pending = [];
      start = end + 1;
      if (line.length > 0) {
        yield line.toString("utf8");
      }
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start));
    }
  }
}
