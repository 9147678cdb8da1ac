import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { getParts } from "../../lab/parts";
import { catalogue } from "../../lab/parts/catalogue";
import { runChild } from "../../lab/parts/child";
import type { Patience } from "../../lab/parts/download";
import type { CatalogueEntry, ChecksumSource, Download } from "../../lab/parts/entry";
import { isExecutable } from "../../lab/parts/on-path";

type Answer = (response: ServerResponse) => void;

const platform = { os: "linux", arch: "amd64" };
const generous: Patience = { checksum: 10_000, stall: 10_000 };
const hasty: Patience = { checksum: 150, stall: 10_000 };
const soonStalled: Patience = { checksum: 10_000, stall: 150 };
const sha256 = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");

const good =
  (bytes: Buffer | string): Answer =>
  (response) =>
    response.end(bytes);
const silent: Answer = () => undefined;
/** Half of it, and then what `end` does; with the length of the whole, so that the end is noticed. */
const half =
  (bytes: Buffer | string, end: (response: ServerResponse) => void): Answer =>
  (response) => {
    response.writeHead(200, { "content-length": Buffer.byteLength(bytes) });
    response.write(Buffer.from(bytes).subarray(0, bytes.length / 2), () => {
      end(response);
    });
  };
const cut = (response: ServerResponse) => response.destroy();

/** Every row of the catalogue that is downloaded, by every checksum its publisher serves; five things that happen. */
describe("the downloads of the lab's parts", function () {
  this.timeout(10_000);
  let base: string;
  let env: NodeJS.ProcessEnv;
  let server: Server;
  let address: string;
  /** Where nobody listens. */
  let nowhere: string;
  let answers: Map<string, Answer>;
  let requests: string[];

  const listen = async (one: Server) => {
    one.listen(0, "127.0.0.1");
    await once(one, "listening");
    return `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
  };

  before(async () => {
    const gone = createServer();
    nowhere = await listen(gone);
    gone.close();
    server = createServer((request, response) => {
      requests.push(request.url ?? "");
      (answers.get(request.url ?? "") ?? ((missing) => missing.writeHead(404).end()))(response);
    });
    address = await listen(server);
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "part-downloads-test-"));
    const bin = join(base, "bin");
    await mkdir(bin);
    // To unpack with. There is no Go: what is not downloaded is not had.
    for (const tool of ["tar", "gzip"]) await symlink(await found(tool), join(bin, tool));
    env = { PATH: bin, HOME: base, BUILDKITE_LAB_CACHE: join(base, "cache") };
    answers = new Map();
    requests = [];
  });

  afterEach(() => rm(base, { recursive: true, force: true }));

  const publishers = () => ({ kubernetes: `${address}/k8s`, github: `${address}/gh`, githubApi: `${address}/api` });

  async function get(entry: CatalogueEntry, patience: Patience = generous) {
    const parts = await getParts([entry.name], {
      print: () => undefined,
      env,
      publishers: publishers(),
      patience,
      platform,
    });
    return parts[entry.name];
  }

  /** It is not had, for this reason, and nothing of it is left. */
  async function notHad(entry: CatalogueEntry, reason: RegExp, patience?: Patience): Promise<void> {
    await assert.rejects(get(entry, patience), (error: Error) => {
      assert.match(error.message, reason);
      assert.match(error.message, /There are two ways out/);
      return true;
    });
    const left = await readdir(join(base, "cache"), { recursive: true }).catch(() => []);
    assert.deepEqual(
      left.filter((path) => path !== "parts" && path !== join("parts", entry.name)),
      [],
    );
  }

  for (const entry of catalogue) {
    const { download: at } = entry;
    if (at === undefined) continue;
    // Only their number and forms: the addresses are those of the server, once it listens.
    at({ kubernetes: "", github: "", githubApi: "" }, platform).checksums.forEach((form, index, { length }) => {
      const which = length > 1 ? `, checksum ${index + 1} of ${length}` : "";
      describe(`${entry.name} (${form.format === "text" ? "text" : "description of the release"}${which})`, () => {
        let download: Download;
        let source: ChecksumSource;
        /** What the publisher serves, and its path. */
        let bytes: Buffer;
        let file: string;
        let checksum: string;

        beforeEach(async () => {
          download = at(publishers(), platform);
          source = download.checksums[index] ?? assert.fail();
          bytes = await served(download, base);
          file = new URL(download.url).pathname;
          checksum = new URL(source.url).pathname;
        });

        /** All is well, but for what is said; the publisher's other checksums are not there. */
        const publish = (bad: { file?: Answer; checksum?: Answer } = {}) => {
          answers.set(file, bad.file ?? good(bytes));
          answers.set(checksum, bad.checksum ?? good(checksumText(source, download, sha256(bytes))));
        };

        it("good: it is kept, with all that belongs beside it", async () => {
          publish();
          const part = await get(entry);
          assert.equal(part.from, "download");
          const names = (download.archive?.files ?? [entry.name]).map((path) => basename(path));
          assert.deepEqual((await readdir(dirname(part.path))).sort(), [...names, "part.json"].sort());
          for (const name of names) {
            const path = join(dirname(part.path), name);
            assert.ok(await isExecutable(path), `${name} can be run`);
            assert.match(await readFile(path, "utf8"), new RegExp(`^this is ${name}`));
          }
        });

        it("good: it may lie elsewhere, as GitHub's do", async () => {
          publish({ file: (response) => response.writeHead(302, { location: `${address}/elsewhere` }).end() });
          answers.set("/elsewhere", good(bytes));
          assert.equal((await get(entry)).from, "download");
        });

        it("wrong checksum: it is not kept", async () => {
          publish({ checksum: good(checksumText(source, download, sha256("another"))) });
          await notHad(entry, /has sha256 \w+, its publisher says \w+/);
          publish({ file: good(Buffer.concat([bytes, Buffer.from("\n")])) });
          await notHad(entry, /has sha256 \w+, its publisher says \w+/);
        });

        it("cut off: nothing of it is kept, noticed by the connection or not", async () => {
          publish({ file: half(bytes, cut) });
          await notHad(entry, /127\.0\.0\.1:\d+: (other side closed|terminated|.*ECONNRESET|.*aborted)/);
          publish({ file: good(bytes.subarray(0, bytes.length / 2)) });
          await notHad(entry, /has sha256 \w+, its publisher says \w+/);
        });

        it("refused: it is not had, and the refusal is not read to its end", async () => {
          let closed: Promise<unknown> | undefined;
          publish({
            file: (response) => {
              closed = once(response, "close");
              response.writeHead(403).write("no, ");
            },
          });
          await notHad(entry, /127\.0\.0\.1:\d+: HTTP 403/);
          await closed;
        });

        it("cut off in its checksum: it is not asked for", async () => {
          publish({ checksum: half(checksumText(source, download, sha256(bytes)), cut) });
          await notHad(entry, /127\.0\.0\.1:\d+: (other side closed|terminated|.*ECONNRESET|.*aborted)/);
          assert.ok(!requests.includes(file));
        });

        it("hanging: it is given up, whether it began or not", async () => {
          for (const answer of [silent, half(bytes, silent)]) {
            publish({ file: answer });
            await notHad(entry, /127\.0\.0\.1:\d+: no data for 0\.15 s/, soonStalled);
          }
        });

        it("hanging in its checksum: it is not asked for", async () => {
          for (const answer of [silent, half(checksumText(source, download, sha256(bytes)), silent)]) {
            publish({ checksum: answer });
            await notHad(entry, /127\.0\.0\.1:\d+: no answer in time/, hasty);
            assert.ok(!requests.includes(file));
          }
        });

        it("unreachable: it is not had", async () => {
          publish({ file: (response) => response.writeHead(302, { location: `${nowhere}/elsewhere` }).end() });
          await notHad(entry, /ECONNREFUSED/);
        });

        it("unreachable in its checksum: it is not asked for", async () => {
          publish({ checksum: (response) => response.writeHead(302, { location: `${nowhere}/elsewhere` }).end() });
          await notHad(entry, /ECONNREFUSED/);
          assert.ok(!requests.includes(file));
        });

        it("a page instead of its checksum: it is not asked for, and the publisher is named", async () => {
          publish({ checksum: good("<html>please log in</html>") });
          await notHad(entry, /127\.0\.0\.1:\d+: serves no checksum for/);
          assert.ok(!requests.includes(file));
        });

        if (at({ kubernetes: "", github: "", githubApi: "" }, platform).archive !== undefined) {
          it("an archive without what belongs into it: it is not kept", async () => {
            bytes = await served({ ...download, archive: { files: ["something/else"] } }, base);
            publish();
            await notHad(entry, /tar: .*Not found in archive/s);
          });
        }
      });
    });
  }

  it("are all but of dockerd and docker, whose publisher serves no checksum", () => {
    const without = catalogue.filter(({ download }) => download === undefined).map(({ name }) => name);
    assert.deepEqual(without, ["dockerd", "docker"]);
  });
});

/** The bytes of a download: files that say what they are, in an archive as it is described, with more than is wanted. */
async function served({ url, archive }: Download, base: string): Promise<Buffer> {
  if (archive === undefined) {
    const name = basename(url).startsWith("buildx") ? "docker-buildx" : basename(url).replace(/-linux-amd64$/, "");
    return Buffer.from(`this is ${name}\n`);
  }
  const folder = await mkdtemp(join(base, "archive-"));
  const more = join(dirname(archive.files[0] ?? ""), "README");
  for (const path of [...archive.files, more]) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), `this is ${basename(path)}\n`);
    await chmod(join(folder, path), 0o755);
  }
  const file = join(folder, "archive.tar.gz");
  const prefix = more.startsWith("./") || !more.includes("/") ? "./" : "";
  const made = await runChild("tar", ["-czf", file, "-C", folder, ...archive.files, `${prefix}${more}`]);
  assert.equal(made.code, 0, made.stderr);
  return readFile(file);
}

/** A checksum as this publisher writes it, among those of other files where it is a list. */
function checksumText(source: ChecksumSource, { url }: Download, hex: string): string {
  const file = basename(url);
  const other = sha256("of another file");
  if (source.format === "github-release") {
    const assets = [
      { name: `another-${file}`, digest: `sha256:${other}` },
      { name: file, digest: `sha256:${hex}` },
    ];
    return JSON.stringify({ assets });
  }
  return source.url === `${url}.sha256` ? hex : `${other}  another-${file}\n${hex}  ${file}\n`;
}

async function found(tool: string): Promise<string> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, tool);
    if ((await stat(path).catch(() => undefined))?.isFile() === true) return path;
  }
  throw new Error(`no ${tool} on PATH`);
}
