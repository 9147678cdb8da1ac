import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reportHtml, type RunReport } from "../../lab/report";
import { findChromium, look, type Look } from "../support/chromium";
import { withPage } from "../support/devtools";
import { decodePng, type Picture } from "../support/png";
import { differences } from "../support/report-figures";
import { until } from "../support/until";

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

  it("fits a phone", async () => {
    // A frame as narrow as a phone; its own document may be looked into, since it has no address of its own.
    const frame = reportHtml(run).replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    const probe = `<!doctype html><iframe style="width:360px;height:800px" srcdoc="${frame}"></iframe><script>
addEventListener("load", () => {
  document.body.dataset.width = document.querySelector("iframe").contentDocument.documentElement.scrollWidth;
});
</script>`;
    const { dom } = await looked(probe, { scheme: "light", width: 800, height: 900 });
    const width = Number(/data-width="(\d+)"/.exec(dom)?.[1]);
    assert.ok(width > 0 && width <= 360, `it is ${width} wide`);
  });

  it("shows a build's card to the pointer and to the keyboard", async () => {
    const page = join(folder ?? "", "page.html");
    await writeFile(page, reportHtml(run));
    await withPage(browser, page, { scheme: "light", width: 1280, height: 900 }, async ({ ask, point, press }) => {
      await until("the page", () => ask<boolean>("document.querySelectorAll('.build').length > 0"));
      const rows = "[...document.querySelectorAll('.queue:first-of-type .build')]";
      /** Number of the row whose card lies on top; the page's own order of stacking. */
      const shown = () =>
        ask<number>(`${rows}.map((row, index) => ({ index, style: getComputedStyle(row.querySelector(".card")) }))
          .filter(({ style }) => style.display !== "none")
          .sort((a, b) => a.style.zIndex - b.style.zIndex || a.index - b.index).at(-1)?.index ?? -1`);
      const chosen = await shown();
      assert.ok(chosen >= 0, "one is chosen from the start");
      const other = chosen === 1 ? 2 : 1;
      await ask(`${rows}[${other}].scrollIntoView({ block: "center" })`);
      const { x, y } = await ask<{ x: number; y: number }>(
        `(({ x, y, height }) => ({ x: x + 40, y: y + height / 2 }))(${rows}[${other}].getBoundingClientRect())`,
      );
      await point(x, y);
      assert.equal(await shown(), other, "the one that the pointer is on");
      await point(0, 0);
      assert.equal(await shown(), chosen, "the chosen one again");
      await press("Tab");
      await press("ArrowDown");
      const count = await ask<number>(`${rows}.length`);
      assert.equal(await shown(), (chosen + 1) % count, "the next one, by the keyboard");
    });
  });
});
