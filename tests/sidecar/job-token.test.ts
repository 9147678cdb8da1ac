import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jobTokenContainer } from "../../components/job-token-pod";
import { jobTokensCertificate } from "../../components/job-tokens-certificate";
import { until } from "../support/until";

/**
 * The init container's script as a process of this machine, in every shell there is, with the real curl over real TLS. What
 * only a container has (the projected token, a memory volume, the kubelet) is in the conformance suite.
 */
const SHELLS = ["dash", "bash", "busybox sh"].filter((shell) => has(shell.split(" ")[0] ?? ""));
const TOKEN = "bkjat_0123456789abcdef";

describe("the init container of job acquisition tokens", function () {
  this.timeout(30_000);

  let folder: string;
  let server: https.Server;
  let bodies: string[];
  let answers: { status: number; body: string; headers?: Record<string, string> }[];

  before(function () {
    if (!has("curl")) {
      this.skip();
    }
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "job-token-"));
    await mkdir(join(folder, "token"));
    await mkdir(join(folder, "request"));
    await writeFile(join(folder, "request", "token"), "a.service-account.token");
    await writeFile(
      join(folder, "image.cfg"),
      'name="%hostname"\nhooks-path="/buildkite/hooks"\ntoken="of the image"\n',
    );
    [bodies, answers] = [[], []];
    const { certificate, key } = jobTokensCertificate("bkct_1", "127.0.0.1");
    await writeFile(join(folder, "request", "ca.crt"), certificate);
    server = https.createServer({ cert: certificate, key }, (request, response) => {
      let body = "";
      request.on("data", (part: Buffer) => (body += part.toString()));
      request.on("end", () => {
        bodies.push(`${request.method ?? ""} ${request.url ?? ""} ${body}`);
        const answer = answers.shift();
        // None left: it is kept waiting.
        if (answer !== undefined) {
          response.writeHead(answer.status, answer.headers).end(answer.body);
        }
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  function start(shell: string, limitSeconds = 300) {
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/job-token`;
    const { command, args } = jobTokenContainer("agent", { url, caConfigMap: "unused" });
    const [, option, script, name] = command as string[];
    const here = (script ?? "")
      .replaceAll("/run/job-token-request", join(folder, "request"))
      .replaceAll("/run/job-token", join(folder, "token"))
      .replaceAll("-ge 300 ", `-ge ${limitSeconds} `);
    const [program = "", ...before] = shell.split(" ");
    const env = { PATH: process.env["PATH"], BUILDKITE_AGENT_CONFIG: join(folder, "image.cfg") };
    const child = spawn(program, [...before, option ?? "", here, name ?? "", ...(args as string[])], {
      ...{ env, stdio: ["ignore", "pipe", "pipe"] },
    });
    let output = "";
    child.stderr.on("data", (part: Buffer) => (output += part.toString()));
    child.stdout.on("data", (part: Buffer) => (output += part.toString()));
    const ended = once(child, "close").then(([code]) => ({ code: code as number | null, output }));
    return { child, ended };
  }

  const config = (): Promise<string> => readFile(join(folder, "token", "buildkite-agent.cfg"), "utf8");

  for (const shell of SHELLS) {
    it(`writes the token behind the image's own configuration, readable for its owner only (${shell})`, async () => {
      answers = [{ status: 200, body: TOKEN }];
      const { code, output } = await start(shell).ended;
      assert.deepEqual([code, output], [0, ""]);
      assert.deepEqual(bodies, ["POST /job-token a.service-account.token"]);
      assert.equal(await config(), `name="%hostname"\nhooks-path="/buildkite/hooks"\ntoken="${TOKEN}"\n`);
      assert.deepEqual(await readdir(join(folder, "token")), ["buildkite-agent.cfg"], "nothing else is left");
      assert.equal(
        execFileSync("stat", ["-c", "%a", join(folder, "token", "buildkite-agent.cfg")]).toString(),
        "600\n",
      );
    });

    it(`asks again after 503 and 429, no sooner than it is told (${shell})`, async () => {
      const status = shell === "bash" ? 429 : 503;
      answers = [
        { status, body: "busy\n", headers: { "Retry-After": "3" } },
        { status: 200, body: TOKEN },
      ];
      const began = Date.now();
      const { code, output } = await start(shell).ended;
      assert.equal(code, 0);
      assert.equal(output, `job-token: no token yet (${status}): busy\n`);
      assert.ok(Date.now() - began >= 3000);
      assert.match(await config(), /^token="bkjat_0123456789abcdef"$/m);
    });

    it(`starts no build without a token: says the dispatcher's words and fails at once (${shell})`, async () => {
      answers = [{ status: 409, body: "Buildkite says no\n" }];
      const { code, output } = await start(shell).ended;
      assert.equal(code, 1);
      assert.match(output, /gives this pod no token, so no build is started \(409\): Buildkite says no/);
      assert.equal(bodies.length, 1);
      await assert.rejects(config());
    });

    it(`takes nothing for a token that could say more to the agent than a token (${shell})`, async () => {
      for (const body of ["", 'x"\nbootstrap-script="evil', "a b", "$(id)"]) {
        answers = [{ status: 200, body }];
        const { code, output } = await start(shell).ended;
        assert.equal(code, 1, body);
        assert.match(output, /the answer is no token/);
        await assert.rejects(config());
      }
    });

    it(`sends its token to nobody but the holder of the certificate, and gives up in the end (${shell})`, async () => {
      const other = jobTokensCertificate("bkct_2", "127.0.0.1");
      server.setSecureContext({ cert: other.certificate, key: other.key });
      const { code, output } = await start(shell, 1).ended;
      assert.equal(code, 1);
      assert.match(output, /no token within 300 s, so no build is started; last answer: 000/);
      assert.match(output, /certificate/);
      assert.deepEqual(bodies, []);
    });

    it(`trusts nobody where it is given no certificate (${shell})`, async () => {
      await rm(join(folder, "request", "ca.crt"));
      const { code } = await start(shell, 1).ended;
      assert.deepEqual([code, bodies], [1, []]);
    });

    it(`ends at once when its pod is deleted while it waits (${shell})`, async () => {
      const { child, ended } = start(shell);
      await until("its request", () => bodies.length === 1);
      const shown = execFileSync("ps", ["-eo", "args"]).toString();
      assert.ok(
        shown.includes("--data-binary") && !shown.includes("service-account.token"),
        "no argument shows a token",
      );
      const began = Date.now();
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      // The server holds the answer back; curl would wait for a minute, and so would a shell that waits for curl.
      assert.deepEqual(await exit, [1, null]);
      assert.ok(Date.now() - began < 10_000);
      server.closeAllConnections();
      await ended;
    });
  }
});

function has(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}
