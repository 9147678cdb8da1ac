import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { configurationTable, withConfigurationTable } from "../../tools/configuration-table";

const ROOT = join(__dirname, "..", "..");
const DOCUMENTS = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "docs/components.md",
  "docs/alternatives.md",
  "docs/job-acquisition-tokens.md",
  "docs/operations.md",
  "docs/lessons.md",
  "docs/estimate.md",
  "docs/performance.md",
  "docs/faults.md",
];
/** First parts of what a path of this repository begins with; `out` is made by a run. */
const FOLDERS = /^(\.ci|components|dispatcher|docs|lab|stack|tests|tools)\//;
const FILES = /^(\.[a-z-]+|[A-Za-z-]+(\.[a-z]+)?\.(ts|md|yaml|json)|LICENSE)$/;

function read(document: string): string {
  return readFileSync(join(ROOT, document), "utf8");
}

/** What stands in backticks, blocks of code left out. */
function codeSpans(text: string): string[] {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
}

function linkTargets(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

/** An anchor as repository pages make it of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 _-]/g, "")
    .replaceAll(" ", "-");
}

describe("the configuration table", () => {
  it("in README.md is the one that the code gives", () => {
    const readme = read("README.md");
    assert.equal(
      readme,
      withConfigurationTable(readme, configurationTable()),
      "README.md is stale: write it anew with npm run docs:configuration",
    );
  });

  it("has a row for every key, and a meaning in each", () => {
    const table = configurationTable();
    for (const key of ["maxNodes", "agentToken", "queues", "protect", "agentMode", "resources.dind.memory"]) {
      assert.match(table, new RegExp(`^\\| \`${key.replaceAll(".", "\\.")}\` \\| `, "m"));
    }
    assert.doesNotMatch(table, /\|\s*\|$/m);
  });

  it("says of a key what it must be", () => {
    assert.match(configurationTable(), /^\| `maxNodes` \| 1 to 1000 \| \*\*Required\.\*\* /m);
    assert.match(configurationTable(), /^\| `exposure` \| `none`, `ingress`, `load-balancer` \| /m);
  });

  it("replaces what stands between the markers, and nothing else", () => {
    const document = "a\n<!-- configuration -->\nold\n<!-- /configuration -->\nb\n";
    const once = withConfigurationTable(document, "| new |");
    assert.equal(once, "a\n<!-- configuration -->\n\n| new |\n\n<!-- /configuration -->\nb\n");
    assert.equal(withConfigurationTable(once, "| new |"), once);
    assert.throws(() => withConfigurationTable("no markers", "| new |"), /must hold the line <!-- configuration -->/);
  });
});

for (const document of DOCUMENTS) {
  describe(document, () => {
    const text = read(document);

    it("names npm scripts that exist", () => {
      const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
      const named = [...text.matchAll(/\bnpm (?:run (?:-s )?([a-z][a-z:-]*)|(test)\b)/g)];
      for (const [command, script, test = ""] of named) {
        assert.ok((script ?? test) in scripts, `${command}: package.json has no such script`);
      }
    });

    it("names files and folders that exist", () => {
      const named = [
        ...codeSpans(text),
        ...[...text.matchAll(/\b(?:mocha|tsx|prettier --check) ([\w./-]+)/g)].map(([, path = ""]) => path),
      ];
      for (const path of named) {
        if (FOLDERS.test(path) || FILES.test(path)) {
          assert.ok(existsSync(join(ROOT, path)), `${path} does not exist`);
        }
      }
    });

    it("links to what is there", () => {
      for (const target of linkTargets(text).filter((link) => !link.startsWith("https://"))) {
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? document : join(document, "..", path);
        assert.ok(existsSync(join(ROOT, file)), `${target}: ${file} does not exist`);
        if (anchor !== undefined) {
          const headings = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading));
          assert.ok(headings.includes(anchor), `${target}: ${file} has no such heading`);
        }
      }
    });

    it("holds no path of anybody's machine", () => {
      assert.doesNotMatch(text, /(?<![\w.~-])\/(root|home|Users|work|tmp|mnt)\//);
    });
  });
}

describe("README.md", () => {
  it("says how many resources the dev stack has", () => {
    // Pulumi makes the default provider for Google Cloud by itself and does not count it.
    const urns = read("tests/lab/urns.dev.txt").trim().split("\n");
    const counted = urns.filter((urn) => !urn.includes("pulumi:providers:gcp::default"));
    assert.match(read("README.md"), new RegExp(`lists ${counted.length} resources`));
  });

  it("shows the summary that the lab prints", () => {
    const main = read("lab/main.ts");
    for (const words of ["ended by the destroy", "overlapping", "all as it must be"]) {
      assert.ok(main.includes(words) && read("README.md").includes(words), words);
    }
  });
});
