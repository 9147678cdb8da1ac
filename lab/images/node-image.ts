import { accounts } from "./accounts";
import type { Ingredients, Recipe } from "./recipe";

/** Stands in for `node:24-slim`: the same binary that runs the lab, which any user may run. */
export function node({ node: binary }: Ingredients): Recipe {
  return {
    reference: "localhost/node:lab",
    config: {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      Cmd: ["node"],
    },
    packages: "node",
    content: [
      ...accounts(["node:x:1000:1000::/home/node:/bin/sh"], ["node:x:1000:"]),
      { path: "home/node", folder: true, mode: 0o777 },
      { path: "usr/local/bin/node", from: binary, mode: 0o755 },
    ],
  };
}
