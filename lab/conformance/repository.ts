import type { RepositoryFiles } from "../git";
import { baseInAgent } from "../images";

/**
 * The build that proves it: an image from a local base, run with the checkout mounted, two containers that talk over a
 * network of their own; ends with the code that is its first argument.
 */
const BUILD = `#!/bin/sh
set -eu
echo "--- build"
docker load --quiet --input ${baseInAgent}
docker build --quiet --tag app .
echo "--- run with the checkout mounted"
test "$(docker run --rm --volume "$PWD:/src" app cat /src/greeting.txt)" = "hello from the checkout"
echo "--- two containers on a network of their own"
docker network create builds
docker run --detach --name server --network builds app httpd -f -p 8080 -h /www
docker run --rm --network builds app sh -c 'for _ in 1 2 3 4 5 6 7 8 9 10; do
  printf "GET /greeting.txt HTTP/1.0\\r\\n\\r\\n" | nc server 8080 > /got && break; sleep 0.2
done; cat /got' | grep "hello from the checkout"
docker rm --force server
echo "built well"
exit "\${1:-0}"
`;

const dockerfile = (base: string): string => `FROM ${base}
COPY greeting.txt /www/greeting.txt
RUN echo made at build time > /www/made.txt && test -s /www/greeting.txt
`;

/** What the builds clone. @param base reference of the image they start from. */
export function repositoryFiles(base: string): RepositoryFiles {
  return { "build.sh": BUILD, Dockerfile: dockerfile(base), "greeting.txt": "hello from the checkout\n" };
}
