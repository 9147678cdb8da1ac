import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readFile, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeLeftovers, startControlPlane, type ControlPlane } from "../../lab/control-plane";
import { findProcessesOf, identify } from "../../lab/control-plane/processes";
import { getParts, labPartNames, type Part } from "../../lab/parts";

interface Answer {
  status: number;
  body: unknown;
}

/** One call to the API server: as the administrator, or with a token instead. */
function call(controlPlane: ControlPlane, method: string, path: string, body?: object, token?: string) {
  const { server, caPem, clientCertPem, clientKeyPem } = controlPlane.adminKubeconfig;
  return new Promise<Answer>((resolve, reject) => {
    const outgoing = request(new URL(path, server), {
      method,
      ca: caPem,
      ...(token === undefined ? { cert: clientCertPem, key: clientKeyPem } : {}),
      agent: false,
      headers: {
        "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    });
    outgoing.once("error", reject);
    outgoing.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("end", () => {
        resolve({ status: response.statusCode ?? 0, body: text === "" ? undefined : JSON.parse(text) });
      });
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

interface Pod {
  metadata: { finalizers?: string[]; deletionTimestamp?: string };
  status: {
    phase: string;
    podIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: { ready: boolean; state: Record<string, unknown> }[];
    initContainerStatuses?: { name: string; ready: boolean; started: boolean; state: Record<string, unknown> }[];
  };
}

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
    await sleep(50);
  }
}

/** The local addresses on which a process listens, as the kernel writes them: hexadecimal address and port. */
async function listeners(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const links = await Promise.all((await readdir(folder)).map((fd) => readlink(join(folder, fd)).catch(() => "")));
  const inodes = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const tables = await Promise.all(
    ["tcp", "tcp6"].map((name) => readFile(`/proc/net/${name}`, "utf8").catch(() => "")),
  );
  return tables.flatMap((table) =>
    table.split("\n").flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[3] === "0A" && inodes.has(fields[9] ?? "") ? [fields[1] ?? ""] : [];
    }),
  );
}

const nodes = "/api/v1/nodes";
const pods = "/api/v1/namespaces/default/pods";

const sidecarPod = (name: string, labels: Record<string, string> = {}) => ({
  metadata: { name, labels },
  spec: {
    nodeName: "fake",
    initContainers: [
      { name: "prepare", image: "example.invalid/prepare:1" },
      { name: "dind", image: "example.invalid/dind:1", restartPolicy: "Always" },
    ],
    containers: [{ name: "agent", image: "example.invalid/agent:1" }],
  },
});

describe("the control plane", function () {
  this.timeout(120_000);

  let parts: Record<(typeof labPartNames)[number], Part>;
  let base: string;
  let controlPlane: ControlPlane;
  const lines: string[] = [];
  const print = (line: string) => lines.push(line);
  const getPod = async (name: string) => {
    const answer = await call(controlPlane, "GET", `${pods}/${name}`);
    return answer.status === 200 ? (answer.body as Pod) : undefined;
  };

  before(async function () {
    this.timeout(40 * 60_000);
    parts = await getParts(labPartNames, { print: console.log });
    base = await mkdtemp(join(tmpdir(), "buildkite-lab-test-"));
    controlPlane = await startControlPlane({ parts, workDir: join(base, "one"), print });
    await call(controlPlane, "POST", nodes, {
      metadata: { name: "fake", annotations: { "kwok.x-k8s.io/node": "fake" } },
      status: {
        capacity: { cpu: "2", memory: "8Gi", pods: "16" },
        allocatable: { cpu: "1", memory: "7Gi", pods: "16" },
      },
    });
    await call(controlPlane, "POST", nodes, { metadata: { name: "foreign" } });
  });

  after(async () => {
    await controlPlane.stop();
    await rm(base, { recursive: true, force: true });
  });

  it("listens on loopback only", async () => {
    const all = (await Promise.all(controlPlane.pids().map(listeners))).flat();
    assert.ok(all.length >= 6, `expected a listener of each component, got ${all.join(", ")}`);
    assert.deepEqual(
      all.filter((address) => !address.startsWith("0100007F:")),
      [],
    );
  });

  it("authorizes: a service account without a role may not list Secrets", async () => {
    const review = await call(controlPlane, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { expirationSeconds: 600 },
    });
    assert.equal(review.status, 201);
    const { token } = (review.body as { status: { token: string } }).status;
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { iss: string };
    assert.equal(claims.iss, controlPlane.serviceAccountIssuer);

    assert.equal((await call(controlPlane, "GET", "/version", undefined, token)).status, 200);
    assert.equal((await call(controlPlane, "GET", "/api/v1/secrets", undefined, token)).status, 403);
    assert.equal((await call(controlPlane, "GET", "/version", undefined, "no.such.token")).status, 401);
  });

  it("admits: a namespace with restricted pod security refuses a privileged pod", async () => {
    await call(controlPlane, "POST", "/api/v1/namespaces", {
      metadata: { name: "strict", labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    const answer = await until("the namespace's service account", async () => {
      const made = await call(controlPlane, "POST", "/api/v1/namespaces/strict/pods", {
        metadata: { name: "privileged" },
        spec: { containers: [{ name: "a", image: "a", securityContext: { privileged: true } }] },
      });
      return (made.body as { message: string }).message.includes("serviceaccount") ? undefined : made;
    });
    assert.equal(answer.status, 403);
    assert.match((answer.body as { message: string }).message, /violates PodSecurity/);
  });

  it("makes an annotated node Ready with the capacity it was given, and leaves any other node alone", async () => {
    interface Node {
      status: { allocatable?: Record<string, string>; conditions?: { type: string; status: string }[] };
    }
    const ready = await until("the node is Ready", async () => {
      const node = (await call(controlPlane, "GET", `${nodes}/fake`)).body as Node;
      return node.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true
        ? node
        : undefined;
    });
    assert.equal(ready.status.allocatable?.["cpu"], "1");
    const foreign = (await call(controlPlane, "GET", `${nodes}/foreign`)).body as Node;
    assert.equal(
      foreign.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false,
      false,
    );
  });

  it("runs a pod with a native sidecar: both containers running, the ordinary init container over, and stays so", async () => {
    assert.equal((await call(controlPlane, "POST", pods, sidecarPod("build"))).status, 201);
    const running = await until("the pod runs", async () => {
      const pod = await getPod("build");
      return pod?.status.phase === "Running" ? pod : undefined;
    });
    const [prepare, dind] = running.status.initContainerStatuses ?? [];
    assert.ok(prepare?.state["terminated"] !== undefined);
    assert.ok(dind?.started === true && dind.ready && dind.state["running"] !== undefined);
    assert.ok(running.status.containerStatuses?.[0]?.ready === true);
    assert.match(running.status.podIP ?? "", /^10\.128\./);
    await sleep(1500);
    assert.equal((await getPod("build"))?.status.phase, "Running");
  });

  it("ends a deleted pod as Failed first, so that the finalizer's owner can count it", async () => {
    const pod = sidecarPod("deleted");
    const finalizers = ["example.invalid/count"];
    await call(controlPlane, "POST", pods, { ...pod, metadata: { ...pod.metadata, finalizers } });
    await until("the pod runs", async () => ((await getPod("deleted"))?.status.phase === "Running" ? true : undefined));
    await call(controlPlane, "DELETE", `${pods}/deleted`);
    const failed = await until("the pod has failed", async () => {
      const found = await getPod("deleted");
      return found?.status.phase === "Failed" ? found : undefined;
    });
    assert.deepEqual(failed.metadata.finalizers, finalizers);
    assert.ok(failed.status.containerStatuses?.[0]?.state["terminated"] !== undefined);
    assert.ok(failed.status.initContainerStatuses?.[1]?.state["terminated"] !== undefined);

    await call(controlPlane, "PATCH", `${pods}/deleted`, { metadata: { finalizers: null } });
    await until("the pod is gone", async () => ((await getPod("deleted")) === undefined ? true : undefined));
  });

  it("leaves the dispatcher's pods to the process that stands for them", async () => {
    const labels = { "app.kubernetes.io/component": "webhook-dispatcher" };
    await call(controlPlane, "POST", pods, sidecarPod("dispatcher", labels));
    await call(controlPlane, "POST", pods, sidecarPod("beside"));
    await until("the pod beside it runs", async () =>
      (await getPod("beside"))?.status.phase === "Running" ? true : undefined,
    );
    assert.equal((await getPod("dispatcher"))?.status.phase, "Pending");
  });

  it("lets the Job controller finish a Job whose pod was deleted", async () => {
    const jobs = "/apis/batch/v1/namespaces/default/jobs";
    await call(controlPlane, "POST", jobs, {
      metadata: { name: "job" },
      spec: {
        backoffLimit: 0,
        podReplacementPolicy: "Failed",
        template: { spec: { ...sidecarPod("").spec, restartPolicy: "Never" } },
      },
    });
    interface Pods {
      items: { metadata: { name: string }; status: { phase: string } }[];
    }
    const name = await until("the Job's pod runs", async () => {
      const found = await call(controlPlane, "GET", `${pods}?labelSelector=batch.kubernetes.io/job-name=job`);
      const [pod] = (found.body as Pods).items;
      return pod?.status.phase === "Running" ? pod.metadata.name : undefined;
    });
    await call(controlPlane, "DELETE", `${pods}/${name}`);
    await until("the Job has failed and its pod is gone", async () => {
      const job = (await call(controlPlane, "GET", `${jobs}/job`)).body as {
        status: { conditions?: { type: string; status: string }[] };
      };
      const failed = job.status.conditions?.some(({ type, status }) => type === "Failed" && status === "True");
      return failed === true && (await getPod(name)) === undefined ? true : undefined;
    });
  });

  it("runs beside another one, and stop leaves no process, port or file of it", async () => {
    const workDir = join(base, "two");
    const second = await startControlPlane({ parts, workDir, print });
    const pids = second.pids();
    assert.equal((await call(second, "GET", `${nodes}/fake`)).status, 404);

    const began = Date.now();
    await second.stop();
    assert.ok(Date.now() - began < 2000, `stop took ${Date.now() - began} ms`);
    await second.stop();
    assert.deepEqual(second.pids(), []);
    // An ended process may still be listed until process 1 has taken note of it: identify knows the difference.
    for (const pid of pids) assert.equal(await identify(pid), undefined, `process ${pid} is still there`);
    await assert.rejects(access(workDir));
    await assert.rejects(call(second, "GET", "/version"), { code: "ECONNREFUSED" });
    assert.equal((await call(controlPlane, "GET", "/version")).status, 200);
  });

  for (const milliseconds of [50, 700, 2000]) {
    it(`leaves nothing when it is called off ${milliseconds} ms after the start`, async () => {
      const workDir = join(base, `aborted-${milliseconds}`);
      const abort = new AbortController();
      setTimeout(() => {
        abort.abort(new Error("called off"));
      }, milliseconds);
      await assert.rejects(startControlPlane({ parts, workDir, print, signal: abort.signal }), /called off/);
      assert.deepEqual(await findProcessesOf(workDir), []);
      await assert.rejects(access(workDir));
    });
  }

  it("says what did not start, and leaves nothing", async () => {
    const workDir = join(base, "broken");
    const broken = { ...parts, "kube-apiserver": { ...parts["kube-apiserver"], path: "/bin/false" } };
    await assert.rejects(startControlPlane({ parts: broken, workDir, print }), /kwokctl create cluster failed/);
    assert.deepEqual(await findProcessesOf(workDir), []);
    await assert.rejects(access(workDir));
  });

  it("starts the controller manager again when that gave up waiting for the API server", async () => {
    const real = parts["kube-controller-manager"];
    const path = join(base, "kube-controller-manager");
    // Ends once, then becomes the real one, by a link beside itself so that it still counts as the control plane's.
    const text = `#!/bin/sh
[ "$1" = --version ] && exec "${real.path}" --version
[ -e "$0.once" ] || { : > "$0.once"; exit 1; }
/bin/ln -sf "${real.path}" "$0.real" && exec "$0.real" "$@"
`;
    await writeFile(path, text, { mode: 0o755 });
    const workDir = join(base, "revived");
    const withScript = { ...parts, "kube-controller-manager": { ...real, path } };
    const revived = await startControlPlane({ parts: withScript, workDir, print });
    assert.equal((await findProcessesOf(workDir)).length, 5);
    await revived.stop();
    assert.deepEqual(await findProcessesOf(workDir), []);
  });

  it("ends by itself when the process that started it is killed outright", async () => {
    const workDir = join(base, "killed");
    const child = startInChild(workDir);
    try {
      await once(child.stdout, "data");
      assert.equal((await findProcessesOf(workDir)).length, 5);
      await assert.rejects(removeLeftovers(workDir), /still runs/);
    } finally {
      child.kill("SIGKILL");
    }
    await until("its processes are gone", async () =>
      (await findProcessesOf(workDir)).length === 0 ? true : undefined,
    );
    await until("its files are gone", () =>
      access(workDir).then(
        () => undefined,
        () => true,
      ),
    );
  });

  it("clears away what a run left whose watchdog was killed with it", async () => {
    const workDir = join(base, "abandoned");
    const child = startInChild(workDir);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const { watchdog } = JSON.parse(line.toString()) as { watchdog: number };
    process.kill(watchdog, "SIGKILL");
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.equal((await findProcessesOf(workDir)).length, 5);

    assert.deepEqual(await removeLeftovers(workDir), { processes: 5, files: true });
    assert.deepEqual(await findProcessesOf(workDir), []);
    await assert.rejects(access(workDir));
    assert.deepEqual(await removeLeftovers(workDir), { processes: 0, files: false });
  });

  /** A process of its own that starts a control plane and prints the id of its watchdog. */
  function startInChild(workDir: string) {
    const program = `
      const { startControlPlane } = require("./lab/control-plane");
      const parts = JSON.parse(process.env.PARTS);
      startControlPlane({ parts, workDir: process.env.WORK_DIR, print: () => {} }).then((controlPlane) => {
        console.log(JSON.stringify({ watchdog: controlPlane.pids().at(-1) }));
        setInterval(() => {}, 1000);
      });`;
    return spawn(process.execPath, ["--import", "tsx", "-e", program], {
      cwd: join(__dirname, "..", ".."),
      env: { ...process.env, PARTS: JSON.stringify(parts), WORK_DIR: workDir },
      stdio: ["ignore", "pipe", "inherit"],
    });
  }
});
