import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const ROOT = join(__dirname, "..", "..");
const DOCUMENT = "docs/components.md";
/** Exists in memory only; in the package's folder, so that the package's own name resolves. */
const FILE = join(ROOT, "documentation-example.ts");

/** What the compiler objects to in a program of one file with this text. */
function objections(text: string): string[] {
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.json"), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT);
  const real = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...real,
    fileExists: (path) => path === FILE || real.fileExists(path),
    readFile: (path) => (path === FILE ? text : real.readFile(path)),
    getSourceFile: (path, version) =>
      path === FILE ? ts.createSourceFile(path, text, version) : real.getSourceFile(path, version),
  };
  const program = ts.createProgram([FILE], options, host);
  const file = program.getSourceFile(FILE);
  return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(({ messageText }) =>
    ts.flattenDiagnosticMessageText(messageText, "\n"),
  );
}

describe(`the example in ${DOCUMENT}`, function () {
  this.timeout(120_000);
  const example = /<!-- example -->\n```ts\n([^]*?)```\n<!-- \/example -->/.exec(
    readFileSync(join(ROOT, DOCUMENT), "utf8"),
  )?.[1];

  it("type-checks", () => {
    assert.ok(example !== undefined, "it stands between <!-- example --> and <!-- /example -->");
    assert.deepEqual(objections(example), []);
  });

  it("would not with an argument that there is not", () => {
    const wrong = example?.replace("maxNodes: 8", "maxNoods: 8") ?? "";
    assert.match(objections(wrong).join("\n"), /maxNoods/);
  });
});
