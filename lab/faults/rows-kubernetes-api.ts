import { SeededRandom } from "../buildkite";
import type { Fault, ProxiedRequest } from "../fault-proxy";
import { inBackground } from "../in-background";
import type { FaultRow } from "./row";
import { QUEUE, type FaultSystem } from "./system";

const BURST_SECONDS = 5;
const DOWN_SECONDS = 60;
/** Of these: an API server that comes back takes connections before it answers. */
const SILENT_SECONDS = 20;
const SPELL_SECONDS = 20;
/** Creates per build while most fail: two replicas that back off make some 10 each, trying again at once makes hundreds. */
const MOST_CREATES_PER_BUILD = 60;
const LATE_MS = 30_000;
/** Several of the dispatcher's looks for pods whose Job is gone. */
const LONG_BUILD_SECONDS = 20;
const LONG_BUILDS = 10;
const EXPIRES_EVERY_SECONDS = 1;
/** Two replicas with three watches each, which try again ever later: about 8 times in a spell of 20 s. */
const MOST_LISTS = 2 * 3 * 12;

const isCreate = ({ method, path }: ProxiedRequest): boolean => method === "POST" && path.includes("/jobs");
const isWatch = ({ path }: ProxiedRequest): boolean => path.includes("watch=true");

/** What can happen between the dispatcher and the API server. */
export const KUBERNETES_API_ROWS: readonly FaultRow[] = [
  {
    name: "kubernetes: API server down for 60 s",
    note: "to the dispatchers: for 40 s its port refuses and all watches are cut, for 20 s it takes requests and is silent; a third of the builds comes before, the rest meanwhile",
    timeScale: 1,
    setting: { proxy: true },
    harm: async (system, builds) => {
      const { proxy } = system.kubernetes;
      const third = Math.floor(builds / 3);
      await system.schedule(third, 2);
      let end: () => void = () => undefined;
      const silence = new Promise<Fault>((resolve) => {
        end = () => {
          resolve("cut-before");
        };
      });
      await proxy.suspend();
      const burst = inBackground(system.schedule(builds - third, BURST_SECONDS));
      await system.wait(DOWN_SECONDS - SILENT_SECONDS);
      await complainOfUnready(system);
      proxy.onRequest = () => silence;
      await proxy.resume();
      await Promise.all([burst, system.wait(SILENT_SECONDS)]);
      proxy.onRequest = () => "pass";
      end();
      return Date.now();
    },
  },
  {
    name: "kubernetes: answers 429, 500 and 409",
    note: "for 10 s all requests, for 20 s more seven of ten are answered 429 (Retry-After 1), 500, 503 or 409 (conflict, or the name is taken though it is not), of the creates answered 500 every second one is done all the same",
    timeScale: 1,
    setting: { proxy: true },
    harm: async (system, builds) => {
      const { proxy } = system.kubernetes;
      const chance = new SeededRandom(builds);
      proxy.onRequest = (request) => wrongAnswer(request, chance);
      await Promise.all([system.schedule(builds, BURST_SECONDS), system.wait(2 * BURST_SECONDS)]);
      proxy.onRequest = (request) => (chance.next() < 0.7 ? wrongAnswer(request, chance) : "pass");
      await system.wait(SPELL_SECONDS);
      proxy.onRequest = () => "pass";
      const creates = proxy.count("POST", /\/jobs/);
      if (creates > builds * MOST_CREATES_PER_BUILD) {
        system.complaints.push(`${creates} creates for ${builds} builds that mostly failed`);
      }
      return Date.now();
    },
  },
  {
    name: "kubernetes: connections cut within creates",
    note: "for 10 s eight of ten creates are cut off: before the API server had them, after it did them, or half-way through its answer",
    timeScale: 1,
    setting: { proxy: true },
    harm: async (system, builds) => {
      const { proxy } = system.kubernetes;
      const chance = new SeededRandom(builds);
      const cuts = ["cut-before", "cut-after", "cut-within"] as const;
      proxy.onRequest = (request) =>
        isCreate(request) && chance.next() < 0.8 ? (cuts[chance.integer(0, 2)] ?? "pass") : "pass";
      await Promise.all([system.schedule(builds, BURST_SECONDS), system.wait(2 * BURST_SECONDS)]);
      proxy.onRequest = () => "pass";
      await system.untilPods(builds);
      complainOfSecondPods(system);
      return Date.now();
    },
  },
  {
    name: "kubernetes: watch events 30 s late",
    note: "what the watches of Jobs and templates tell is 30 s late, that of pods is not; half of the webhooks are lost, and ten builds take 20 s, so that their pods are seen long before their Jobs",
    timeScale: 1,
    setting: { proxy: true },
    harm: async (system, builds) => {
      const { kubernetes, fake } = system;
      kubernetes.proxy.watchDelayMs = (path) => (/\/pods\?/.test(path) ? 0 : LATE_MS);
      await fake.setFaults({ webhookDropShare: 0.5 });
      const long = Math.min(LONG_BUILDS, Math.floor(builds / 2));
      for (let count = 0; count < long; count += 1) {
        fake.schedule({ queue: QUEUE, seconds: LONG_BUILD_SECONDS });
      }
      await Promise.all([system.schedule(builds - long, BURST_SECONDS), system.wait(LATE_MS / 1000 + BURST_SECONDS)]);
      kubernetes.proxy.watchDelayMs = () => 0;
      return undefined;
    },
  },
  {
    name: "kubernetes: watch expired again and again",
    note: "for 20 s every watch is told each second that it has expired (410), and half of the new ones at once; only a quarter of the builds may be in flight, so that the others wait for what the watches tell",
    timeScale: 1,
    setting: { proxy: true, inFlight: (builds) => Math.ceil(builds / 4) },
    harm: async (system, builds) => {
      const { proxy } = system.kubernetes;
      const chance = new SeededRandom(builds);
      proxy.onRequest = (request) => (isWatch(request) && chance.next() < 0.5 ? EXPIRED : "pass");
      const before = proxy.count("GET", LISTS);
      const burst = inBackground(system.schedule(builds, BURST_SECONDS));
      for (let seconds = 0; seconds < SPELL_SECONDS; seconds += EXPIRES_EVERY_SECONDS) {
        proxy.expireWatches();
        await system.wait(EXPIRES_EVERY_SECONDS);
      }
      await burst;
      proxy.onRequest = () => "pass";
      const lists = proxy.count("GET", LISTS) - before;
      if (lists > MOST_LISTS) {
        system.complaints.push(`${lists} lists in ${SPELL_SECONDS} s of watches that expire`);
      }
      return Date.now();
    },
  },
];

/** Lists as informers make them: in pages, and no watch. */
const LISTS = /\/(jobs|pods|podtemplates)\?(?!.*(watch=true|fieldSelector|job-name)).*limit=/;

const EXPIRED = status(410, "Expired", "too old resource version");

/** An answer that says nothing about the request, or something wrong. */
function wrongAnswer(request: ProxiedRequest, chance: SeededRandom): Fault {
  const busy = { ...status(429, "TooManyRequests", "try again"), headers: { "retry-after": "1" } };
  const failed = status(500, "InternalError", "etcdserver: request timed out");
  const kinds: Fault[] = [busy, failed, status(503, "ServiceUnavailable", "the server is starting")];
  if (request.method !== "GET") {
    kinds.push(
      status(409, "Conflict", "the object has been modified; please apply your changes to the latest version"),
    );
    kinds.push({ ...failed, isDone: true });
  }
  if (isCreate(request)) {
    kinds.push(status(409, "AlreadyExists", "it already exists"));
  }
  return kinds[chance.integer(0, kinds.length - 1)] ?? "pass";
}

function status(code: number, reason: string, message: string): Exclude<Fault, string> {
  return { status: code, body: { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message } };
}

/** Readiness is local: no replica may leave the load balancer because the API server is away. */
async function complainOfUnready({ replicas, complaints, signal }: FaultSystem): Promise<void> {
  for (const url of replicas.urls()) {
    const answer = await fetch(`${url}/readyz`, { signal });
    if (answer.status !== 200) {
      complaints.push(`a replica was not ready while the API server was away: ${await answer.text()}`);
    }
  }
}

function complainOfSecondPods({ overlap, complaints }: FaultSystem): void {
  const more = [...overlap.podsPerJob.values()].filter((pods) => pods > 1).length;
  if (more > 0) {
    complaints.push(`${more} builds got more than one pod`);
  }
}
