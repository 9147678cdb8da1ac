/**
 * A cluster in memory, behind as much of Kubernetes' API as the pool autoscaler uses, over HTTP on loopback.
 *
 * Models: lists and watches of pods and nodes, nodes that are ready as soon as they are made, a scheduler that binds at
 * once what fits (oldest first, on the emptiest node), pods that run for a given time and end.
 * Does not prove: anything about a real API server, scheduler or kubelet; `tests/lab/autoscaler.test.ts` runs with those.
 */
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Room } from "../../lab/autoscaler/fit";
import { DELETION_TAINT, nodeState, type NodeObject } from "../../lab/autoscaler/node";
import { podState, type PodObject } from "../../lab/autoscaler/pod";

type Kind = "pods" | "nodes";
type Stored = PodObject | NodeObject;

/** A pod's life; epoch milliseconds. */
export interface PodRun {
  readonly createdAt: number;
  boundAt: number | undefined;
  endedAt: number | undefined;
}

export class MemoryCluster {
  readonly runs = new Map<string, PodRun>();
  readonly #objects: Record<Kind, Map<string, Stored>> = { pods: new Map(), nodes: new Map() };
  readonly #log: { kind: Kind; version: number; line: string }[] = [];
  readonly #watchers = new Set<{ kind: Kind; response: http.ServerResponse }>();
  readonly #durations = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #version = 0;
  readonly #server = http.createServer((request, response) => {
    this.#answer(request, response).catch(() => request.socket.destroy());
  });

  static async start(): Promise<MemoryCluster> {
    const cluster = new MemoryCluster();
    cluster.#server.listen(0, "127.0.0.1");
    await once(cluster.#server, "listening");
    return cluster;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#timers.forEach(clearTimeout);
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Makes a build's pod, which runs for so long once it has a node. */
  build(name: string, durationMs: number, requests: Readonly<Record<string, string>>): void {
    const now = new Date();
    this.runs.set(name, { createdAt: now.getTime(), boundAt: undefined, endedAt: undefined });
    this.#durations.set(name, durationMs);
    this.#put("pods", "ADDED", {
      metadata: {
        name,
        namespace: "builds",
        uid: name,
        annotations: { "cluster-autoscaler.kubernetes.io/safe-to-evict": "false" },
        creationTimestamp: now.toISOString(),
        ownerReferences: [{ kind: "Job", controller: true }],
      },
      spec: { containers: [{ resources: { requests } }] },
      status: {
        phase: "Pending",
        conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable" }],
      },
    });
    this.#schedule();
  }

  #schedule(): void {
    const nodes = [...this.#objects.nodes.values()]
      .map((node) => nodeState(node as NodeObject))
      .filter(({ ready, taints }) => ready && !taints.some(({ key }) => key === DELETION_TAINT));
    for (const pod of [...this.#objects.pods.values()] as PodObject[]) {
      if (pod.spec?.nodeName !== undefined) {
        continue;
      }
      const rooms = nodes.map((node) => {
        const room = new Room(node);
        for (const other of [...this.#objects.pods.values()].map((one) => podState(one as PodObject))) {
          if (other.nodeName === node.name && !other.terminal) {
            room.place(other);
          }
        }
        return room;
      });
      const [emptiest] = rooms
        .filter((room) => room.refusal(podState(pod)) === undefined)
        .sort((a, b) => b.free.cpu - a.free.cpu);
      if (emptiest !== undefined) {
        this.#bind(pod, emptiest.node.name);
      }
    }
  }

  #bind(pod: PodObject, nodeName: string): void {
    const { name } = pod.metadata;
    const run = this.runs.get(name);
    if (run !== undefined) {
      run.boundAt = Date.now();
    }
    const bound = { ...pod, spec: { ...pod.spec, nodeName }, status: { phase: "Running" } };
    this.#put("pods", "MODIFIED", bound);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (run !== undefined) {
        run.endedAt = Date.now();
      }
      this.#put("pods", "MODIFIED", { ...bound, status: { phase: "Succeeded" } });
      this.#schedule();
    }, this.#durations.get(name));
    this.#timers.add(timer);
  }

  #put(kind: Kind, type: "ADDED" | "MODIFIED" | "DELETED", object: Stored): Stored {
    this.#version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    if (type === "DELETED") {
      this.#objects[kind].delete(object.metadata.name);
    } else {
      this.#objects[kind].set(object.metadata.name, stored);
    }
    const line = `${JSON.stringify({ type, object: stored })}\n`;
    this.#log.push({ kind, version: this.#version, line });
    for (const watcher of this.#watchers) {
      if (watcher.kind === kind) {
        watcher.response.write(line);
      }
    }
    return stored;
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://memory");
    const [, kind, name] = /^\/api\/v1\/(pods|nodes)(?:\/(.+))?$/.exec(url.pathname) ?? [];
    const body = await text(request);
    if (kind !== "pods" && kind !== "nodes") {
      // Events: nobody reads them here.
      this.#send(response, 201, {});
    } else if (url.searchParams.get("watch") === "true") {
      this.#watch(kind, Number(url.searchParams.get("resourceVersion") ?? 0), response);
    } else if (name === undefined && request.method === "GET") {
      const node = url.searchParams.get("fieldSelector")?.replace("spec.nodeName=", "");
      const items = [...this.#objects[kind].values()].filter(
        (object) => node === undefined || (object as PodObject).spec?.nodeName === node,
      );
      this.#send(response, 200, { metadata: { resourceVersion: String(this.#version) }, items });
    } else if (request.method === "POST") {
      const made = JSON.parse(body) as NodeObject;
      const status = { ...made.status, conditions: [{ type: "Ready", status: "True" }] };
      this.#send(response, 201, this.#put("nodes", "ADDED", { ...made, status }));
      this.#schedule();
    } else {
      this.#answerNode(request.method, name ?? "", body, response);
    }
  }

  #answerNode(method: string | undefined, name: string, body: string, response: http.ServerResponse): void {
    const node = this.#objects.nodes.get(name) as NodeObject | undefined;
    if (node === undefined) {
      this.#send(response, 404, { message: `node ${name} is not there` });
    } else if (method === "PATCH") {
      const { spec } = JSON.parse(body) as NodeObject;
      this.#send(response, 200, this.#put("nodes", "MODIFIED", { ...node, spec: { ...node.spec, ...spec } }));
      this.#schedule();
    } else {
      this.#send(response, 200, method === "DELETE" ? this.#put("nodes", "DELETED", node) : node);
    }
  }

  #watch(kind: Kind, after: number, response: http.ServerResponse): void {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for (const entry of this.#log) {
      if (entry.kind === kind && entry.version > after) {
        response.write(entry.line);
      }
    }
    const watcher = { kind, response };
    this.#watchers.add(watcher);
    response.on("close", () => this.#watchers.delete(watcher));
  }

  #send(response: http.ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
}
