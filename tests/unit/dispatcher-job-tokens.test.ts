import assert from "node:assert/strict";
import type { StacksCall } from "../../dispatcher/buildkite/stacks-connection";
import { StacksError } from "../../dispatcher/buildkite/stacks-error";
import { Acquisitions } from "../../dispatcher/job-tokens/acquisitions";
import { Callers } from "../../dispatcher/job-tokens/callers";
import { readClaims } from "../../dispatcher/job-tokens/claims";
import { Counts, Holds } from "../../dispatcher/job-tokens/holds";
import type { Job, Pod } from "../../dispatcher/kubernetes/objects";

const UUIDS = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
const [A = "", B = "", C = ""] = UUIDS;

/** Answers calls as a script says; what the real API answers is in tests/dispatcher. */
function stacks(answer: (call: StacksCall) => unknown, states: Readonly<Record<string, string>> = {}) {
  const calls: StacksCall[] = [];
  return {
    calls,
    call: (call: StacksCall) => {
      calls.push(call);
      return Promise.resolve().then(() => answer(call));
    },
    getStates: () => Promise.resolve(new Map(Object.entries(states))),
  };
}

function uuidsOf({ body }: StacksCall): string[] {
  return (body as { job_uuids: string[] }).job_uuids;
}

const issuing = (call: StacksCall): unknown =>
  call.kind === "reserve"
    ? { reserved: uuidsOf(call), not_reserved: [] }
    : {
        job_acquisition_tokens: uuidsOf(call).map((uuid) => ({
          job_uuid: uuid,
          job_acquisition_token: `bkjat_${uuid}`,
        })),
      };

describe("acquisitions", () => {
  const { signal } = new AbortController();

  it("share two calls among those who ask together, and the next two among those who come meanwhile", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const client = stacks(async (call) => {
      await (call.kind === "reserve" ? held : undefined);
      return issuing(call);
    });
    const acquisitions = new Acquisitions({ client, signal });
    const first = [acquisitions.take(A), acquisitions.take(A)];
    await new Promise((resolve) => setTimeout(resolve, 80));
    const second = [acquisitions.take(B), acquisitions.take(C)];
    await new Promise((resolve) => setTimeout(resolve, 80));
    assert.equal(client.calls.length, 1, "one batch at a time");
    release();
    assert.deepEqual(await Promise.all([...first, ...second]), [
      ...[A, A, B, C].map((uuid) => ({ token: `bkjat_${uuid}` })),
    ]);
    assert.deepEqual(client.calls.map(uuidsOf), [[A], [A], [B, C], [B, C]]);
    assert.ok(client.calls.every(({ body }) => Object.values(body as object).includes(600)));
  });

  it("give no token for a job that was not reserved, and ask for none", async () => {
    const client = stacks((call) => (call.kind === "reserve" ? { reserved: [C] } : issuing(call)), {
      ...{ [A]: "canceled", [B]: "limited" },
    });
    const acquisitions = new Acquisitions({ client, signal });
    const answers = await Promise.all(UUIDS.map((uuid) => acquisitions.take(uuid)));
    assert.deepEqual(
      answers.map((answer) => ("refused" in answer ? answer.refused : "issued")),
      ["not_runnable", "not_yet", "issued"],
    );
    assert.deepEqual(client.calls.map(uuidsOf), [UUIDS, [C]]);
  });

  it("take nothing for a token that could be more than one in the agent's configuration, or is another job's", async () => {
    for (const [uuid, token] of [
      [A, 'x"\nbootstrap-script="evil'],
      [A, "short"],
      [A, 12345678],
      [B, "bkjat_of_another_job"],
    ]) {
      const entry = { job_uuid: uuid, job_acquisition_token: token };
      const client = stacks((call) =>
        call.kind === "reserve" ? issuing(call) : { job_acquisition_tokens: [entry, null] },
      );
      const answer = await new Acquisitions({ client, signal }).take(A);
      assert.ok("refused" in answer && answer.refused === "not_yet", String(token));
    }
  });

  it("are final where Buildkite refuses, and to be asked again where it is away; the next batch is not spoiled", async () => {
    const expected = [
      [422, "buildkite_refused", undefined],
      [401, "buildkite_refused", undefined],
      [429, "buildkite_away", 33],
      [503, "buildkite_away", 33],
    ] as const;
    for (const [status, refused, seconds] of expected) {
      let failing = true;
      const client = stacks((call) => {
        if (failing) {
          throw new StacksError("PUT", status, "no", 32_400);
        }
        return issuing(call);
      });
      const acquisitions = new Acquisitions({ client, signal });
      const answer = await acquisitions.take(A);
      assert.ok("refused" in answer);
      assert.deepEqual([answer.refused, answer.retryAfterSeconds], [refused, seconds]);
      failing = false;
      assert.ok("token" in (await acquisitions.take(A)));
    }
  });
});

describe("who asks for a job token", () => {
  const NAMESPACE = "ci-agents";
  const marks = {
    labels: { "app.kubernetes.io/managed-by": "buildkite-scale-to-zero", "buildkite.com/job-uuid": A },
    annotations: { "buildkite.com/job-uuid": A },
  };
  const pod: Pod = {
    metadata: {
      ...{ name: "p", uid: "pod-1", ...marks },
      ownerReferences: [{ kind: "Job", name: `buildkite-${A}`, uid: "job-1", controller: true }],
    },
    status: { phase: "Pending" },
  };
  const job: Job = { metadata: { name: `buildkite-${A}`, uid: "job-1", ...marks } };
  const review = {
    authenticated: true,
    audiences: ["buildkite-scale-to-zero"],
    user: {
      username: `system:serviceaccount:${NAMESPACE}:buildkite-agent`,
      extra: {
        "authentication.kubernetes.io/pod-name": ["p"],
        "authentication.kubernetes.io/pod-uid": ["pod-1"],
      },
    },
  };
  const identify = (change: { review?: object; pod?: Pod; job?: Job } = {}) =>
    new Callers({
      namespace: NAMESPACE,
      api: {
        reviewToken: () => Promise.resolve({ ...review, ...change.review }),
        readWholePod: () => Promise.resolve("pod" in change ? change.pod : pod),
        readJob: () => Promise.resolve("job" in change ? change.job : job),
      },
    }).identify("a.b.c", new AbortController().signal);

  it("is a pod of a live Job of ours", async () => {
    assert.deepEqual(await identify(), { podName: "p", podUid: "pod-1", uuid: A });
  });

  const { user } = review;
  const { metadata } = pod;
  const refused: [string, Parameters<typeof identify>[0], string][] = [
    ["nobody vouches for", { review: { authenticated: false } }, "not_authenticated"],
    ["an API server without audiences vouches for", { review: { audiences: undefined } }, "not_authenticated"],
    ["is for another audience", { review: { audiences: ["https://kubernetes"] } }, "not_authenticated"],
    [
      "is of another namespace",
      { review: { user: { ...user, username: "system:serviceaccount:ci-agents-2:buildkite-agent" } } },
      "pod_not_ours",
    ],
    ["is a person's", { review: { user: { ...user, username: "admin" } } }, "pod_not_ours"],
    ["is bound to no pod", { review: { user: { ...user, extra: {} } } }, "pod_not_ours"],
    ["has no pod any more", { pod: undefined }, "no_such_pod"],
    ["has another pod of that name", { pod: { ...pod, metadata: { ...metadata, uid: "pod-2" } } }, "no_such_pod"],
    [
      "has a pod that is being deleted",
      { pod: { ...pod, metadata: { ...metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } } },
      "no_such_pod",
    ],
    ["has a pod that runs its agent", { pod: { ...pod, status: { phase: "Running" } } }, "pod_not_starting"],
    ["has a pod without status", { pod: { ...pod, status: undefined } }, "pod_not_starting"],
    ["has a pod without our labels", { pod: { ...pod, metadata: { ...metadata, labels: {} } } }, "pod_not_ours"],
    [
      "has a pod whose label and annotation differ",
      { pod: { ...pod, metadata: { ...metadata, annotations: { "buildkite.com/job-uuid": B } } } },
      "pod_not_ours",
    ],
    ["has a pod that nobody owns", { pod: { ...pod, metadata: { ...metadata, ownerReferences: [] } } }, "pod_not_ours"],
    ["has a pod whose Job is gone", { job: undefined }, "job_not_ours"],
    ["has a pod of an earlier Job", { job: { metadata: { ...job.metadata, uid: "job-2" } } }, "job_not_ours"],
    ["has a pod of a Job without our labels", { job: { metadata: { ...job.metadata, labels: {} } } }, "job_not_ours"],
    [
      "has a pod whose Job is being deleted",
      { job: { metadata: { ...job.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } } },
      "job_not_ours",
    ],
    [
      "has a pod whose Job is decided",
      { job: { ...job, status: { conditions: [{ type: "FailureTarget", status: "True" }] } } },
      "job_not_ours",
    ],
  ];
  for (const [what, change, cause] of refused) {
    it(`gets nothing for a token that ${what}`, async () => {
      const answer = await identify(change);
      assert.ok("refused" in answer);
      assert.equal(answer.refused, cause);
    });
  }

  it("is read from what may be a token at all", () => {
    const token = (claims: unknown): string => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;
    const good = {
      ...{ aud: ["buildkite-scale-to-zero"], sub: `system:serviceaccount:${NAMESPACE}:x` },
      "kubernetes.io": { pod: { name: "p", uid: "u" } },
    };
    assert.deepEqual(readClaims(token(good), NAMESPACE), { podName: "p", podUid: "u" });
    for (const wrong of [
      ...[
        "",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        `${token(good)}\n`,
        token(null),
        token("x"),
        token({ ...good, aud: ["other"] }),
      ],
      ...[token({ ...good, aud: [...good.aud, "other"] }), token({ ...good, sub: "system:serviceaccount:other:x" })],
      token({ ...good, "kubernetes.io": {} }),
    ]) {
      assert.equal(readClaims(wrong, NAMESPACE), undefined, wrong);
    }
  });
});

describe("what is remembered of callers", () => {
  it("is bounded, the oldest goes first", () => {
    const counts = new Counts(2);
    for (const key of ["a", "b", "a", "c"]) {
      counts.add(key);
    }
    assert.deepEqual([counts.get("a"), counts.get("b"), counts.get("c")], [2, 0, 1]);
    counts.takeBack("a");
    counts.takeBack("gone");
    assert.deepEqual([counts.get("a"), counts.get("gone")], [1, 0]);
    const holds = new Holds(60_000, 2);
    ["1", "2", "3"].forEach((address) => {
      holds.add(address);
    });
    assert.deepEqual([holds.has("1"), holds.has("2"), holds.has("3")], [false, true, true]);
    const short = new Holds(0, 2);
    short.add("1");
    assert.equal(short.has("1"), false);
  });
});
