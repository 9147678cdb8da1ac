// Plain JavaScript without dependencies: it runs before there are any, under whatever Node the machine has.
// Installs what package-lock.json names when node_modules is missing or older than the lock file; else does nothing.
"use strict";
const { spawnSync } = require("node:child_process");
const { existsSync, lstatSync, statSync } = require("node:fs");
const { join } = require("node:path");

const root = join(__dirname, "..");
const lock = join(root, "package-lock.json");
// npm writes this file last, so it exists only after a complete install.
const installed = join(root, "node_modules", ".package-lock.json");

// A linked node_modules is somebody else's: npm ci would empty it through the link.
const linked = lstatSync(join(root, "node_modules"), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

if (linked) {
  process.stderr.write("node_modules is a link: left as it is, whatever package-lock.json says.\n");
} else if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  process.stderr.write("Installing the npm packages of package-lock.json (about 40 s) ...\n");
  // --ignore-scripts: no package may run code at install time, and none of ours needs to.
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) {
    process.stderr.write("npm ci failed; its messages are above.\n");
    process.exit(npm.status ?? 1);
  }
}
