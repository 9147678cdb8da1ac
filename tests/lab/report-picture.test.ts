import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reportHtml, type RunReport } from "../../lab/report";
import { findChromium, look, type Look } from "../support/chromium";
import { decodePng, type Picture } from "../support/png";
import { differences } from "../support/report-figures";

/** out/lab-run.json of `npm run lab -- --builds 40 --max-nodes 4`. */
const RECORDED = join(__dirname, "..", "support", "lab-run.json");

/** Colours of single pixels, on a grid that meets every line of the page: how many times each. */
function colours({ width, height, pixel }: Picture): Map<number, number> {
  const counts = new Map<number, number>();
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      counts.set(pixel(x, y), (counts.get(pixel(x, y)) ?? 0) + 1);
    }
  }
  return counts;
}

/** The colour that there is most of: the page's ground. */
function ground(counts: ReadonlyMap<number, number>): string {
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return (most?.[0] ?? 0).toString(16).padStart(6, "0");
}

describe("the lab's report in a browser", function () {
  this.timeout(240_000);
  let browser: string;
  let folder: string | undefined;
  let run: RunReport;

  before(async function () {
    const found = await findChromium();
    if (found === undefined) {
      Object.assign(this, { skipReason: "no chromium or google-chrome on PATH" });
      return this.skip();
    }
    browser = found;
    folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
    run = JSON.parse(await readFile(RECORDED, "utf8")) as RunReport;
  });

  after(async () => {
    if (folder !== undefined) {
      await rm(folder, { recursive: true, force: true });
    }
  });

  async function looked(html: string, how: Look) {
    const page = join(folder ?? "", "page.html");
    await writeFile(page, html);
    return look(browser, page, how);
  }

  for (const [scheme, paper] of [
    ["light", "ffffff"],
    ["dark", "12161b"],
  ] as const) {
    for (const width of [1280, 520]) {
      it(`is a picture, with the run's own figures and a quiet console: ${scheme}, ${width} wide`, async () => {
        const { dom, png, consoleLines } = await looked(reportHtml(run), { scheme, width, height: 2600 });
        const picture = decodePng(png);
        assert.equal(picture.width, width);
        const counts = colours(picture);
        assert.equal(ground(counts), paper);
        assert.ok(counts.size > 100, `${counts.size} colours`);
        const drawn = [...counts.values()].reduce((sum, one) => sum + one, 0) - Math.max(...counts.values());
        assert.ok(drawn > 0.1 * picture.width * (picture.height / 4), `${drawn} pixels are not the ground`);
        // The areas of builds that waited and of builds that were over.
        const expected = scheme === "light" ? [0xe3a008, 0xb6c2cf] : [0xe8b339, 0x4a5664];
        for (const colour of expected) {
          assert.ok((counts.get(colour) ?? 0) > 500, `${colour.toString(16)}: ${counts.get(colour) ?? 0}`);
        }
        assert.deepEqual(differences(dom, run.cost), []);
        assert.deepEqual(consoleLines, []);
      });
    }
  }

  it("would show a blank page, another figure, and an error in the console", async () => {
    const blank = await looked("<!doctype html><title>x</title><script>console.error('a complaint')</script>", {
      ...{ scheme: "light", width: 800, height: 600 },
    });
    assert.equal(colours(decodePng(blank.png)).size, 1);
    assert.match(blank.consoleLines.join("\n"), /a complaint/);
    assert.notDeepEqual(differences(blank.dom, run.cost), []);
  });

  it("fits a phone, and shows a build's card for the pointer's and the keyboard's choice", async () => {
    // A frame as narrow as a phone; its own document may be looked into, since it has no address of its own.
    const frame = reportHtml(run).replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    const probe = `<!doctype html><iframe style="width:360px;height:800px" srcdoc="${frame}"></iframe><script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  const rows = [...page.querySelectorAll(".queue:first-of-type .build")];
  const shown = () => rows.flatMap((row, index) =>
    page.defaultView.getComputedStyle(row.querySelector(".card")).display === "none" ? [] : [index]);
  const first = shown();
  rows[2].querySelector("input").click();
  const result = { width: page.documentElement.scrollWidth, rows: rows.length, first: first.length, second: shown() };
  document.body.dataset.result = JSON.stringify(result);
});
</script>`;
    const { dom } = await looked(probe, { scheme: "light", width: 800, height: 900 });
    const text = /data-result="([^"]*)"/.exec(dom)?.[1]?.replaceAll("&quot;", '"') ?? "{}";
    const result = JSON.parse(text) as { width: number; rows: number; first: number; second: number[] };
    assert.ok(result.width <= 360, `it is ${result.width} wide`);
    assert.ok(result.rows > 5, text);
    assert.equal(result.first, 1, "one is chosen from the start");
    assert.deepEqual(result.second, [2]);
  });
});
