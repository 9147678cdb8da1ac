/**
 * Refuses an old Node before anything else is loaded. It exits instead of throwing: Node 20 and 22 need 40 s and 3 GB to
 * print an error thrown in a Pulumi program (nodejs/node#64011).
 */
const needed = 24;
const found = process.versions.node;

if (Number(found.split(".")[0]) < needed) {
  process.stderr.write(
    `buildkite-scale-to-zero needs Node ${needed} or newer, found ${found}. ` +
      "Install it, or put the pinned one first: PATH=$PWD/node_modules/.bin:$PATH pulumi ...\n",
  );
  process.exit(1);
}
