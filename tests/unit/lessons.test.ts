import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const DOCS = join(__dirname, "..", "..", "docs");
const LESSONS = 38;

interface Lesson {
  number: string;
  held: string;
  /** Tests, cases and rows that it names. */
  named: { title: string; path: string }[];
}

/** The table's rows. */
function lessonsOf(document: string): Lesson[] {
  return [...document.matchAll(/^\| (L\d+) \| .+ \| .+ \| (.+) \|$/gm)].map(([, number = "", held = ""]) => ({
    number,
    held,
    named: [...held.matchAll(/\[([^\]]+)\]\((\.\.\/[^)]+\.ts)\)/g)].map(([, title = "", path = ""]) => ({
      title,
      path,
    })),
  }));
}

/** Whether a source has a test, a case of the conformance suite or a row of the faults' of that name. */
function holds(source: string, title: string): boolean {
  const literal = JSON.stringify(title).replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?:\\bit\\(\\s*|^\\s*name:\\s*)${literal}[,\\s]`, "m").test(source);
}

describe("docs/lessons.md", () => {
  const lessons = lessonsOf(readFileSync(join(DOCS, "lessons.md"), "utf8"));

  it("has every recorded failure once, in order", () => {
    assert.deepEqual(
      lessons.map(({ number }) => number),
      Array.from({ length: LESSONS }, (_, index) => `L${index + 1}`),
    );
  });

  for (const { number, held, named } of lessons) {
    it(`${number} names what holds it, or says that nothing does and why`, () => {
      assert.ok(named.length > 0 || /^(Cannot arise|Not held): .{20,}/.test(held), held);
      for (const { title, path } of named) {
        assert.ok(holds(readFileSync(join(DOCS, path), "utf8"), title), `${path} has no test "${title}"`);
      }
    });
  }

  it("would be found out if it named a test that is not there, or only its first words", () => {
    const source = 'it("does one thing", () => {});\n  {\n    name: "a row",\n  }\n// it said "another thing", once';
    assert.ok(holds(source, "does one thing") && holds(source, "a row"));
    for (const title of ["does one", "another thing", "a ro", "does one thing!"]) {
      assert.ok(!holds(source, title), title);
    }
  });
});
