import { createHmac } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { SeededRandom } from "../../buildkite";
import { pick } from "./mutate-tree";

/** How a body is sent. */
export interface FuzzedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
  /** Signed by one of the accepted secrets, for now. */
  readonly isSigned: boolean;
  /** Other than as Buildkite does it. */
  readonly how: string;
  /** Nobody promises an answer to it: the connection may just end. */
  readonly mayGoUnanswered: boolean;
  /** Fewer bytes than announced are sent, and then the connection is closed. */
  readonly isCut: boolean;
}

/** Larger than the dispatcher takes; Node answers by itself. */
const LARGE_HEADER = 20_000;
/** A server that refuses a body because of its length need not wait for it. */
const LONG_BODY = 900_000;

/**
 * Decides how a body is sent.
 *
 * @param maySign whether it may carry a right signature; else it has a wrong one, whatever chance says.
 */
export function mutateRequest(body: Buffer, secret: string, maySign: boolean, random: SeededRandom): FuzzedRequest {
  const usual = random.next() < 0.6;
  const signature = signatureOf(body, secret, maySign, random);
  const event = usual
    ? "job.scheduled"
    : pick(["job.scheduled", "ping", "", "job.started", "\u00e9", "x".repeat(500)], random);
  const headers: Record<string, string | string[]> = {
    "content-type": usual
      ? "application/json"
      : pick(["text/plain", "application/json; charset=utf-16", "multipart/form-data"], random),
    "x-buildkite-event": event,
    "content-length": String(body.length),
    ...(signature.header === undefined ? {} : { "x-buildkite-signature": signature.header }),
  };
  const plain = {
    ...{ method: "POST", path: "/webhook", headers, body, isSigned: signature.isRight, how: signature.how },
    ...{ mayGoUnanswered: body.length > LONG_BODY, isCut: false },
  };
  return usual ? plain : unusual(plain, random);
}

function unusual(plain: FuzzedRequest, random: SeededRandom): FuzzedRequest {
  const { headers, body, how } = plain;
  const chunked = { ...headers };
  delete chunked["content-length"];
  const others: (() => Partial<FuzzedRequest>)[] = [
    () => ({}),
    () => ({
      method: pick(["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"], random),
      how: `${how}, method`,
    }),
    () => ({
      path: pick(
        ["/webhook?x=1", "/webhook/", "/WEBHOOK", "//webhook", "/", "/metrics", "/status", "/%77ebhook"],
        random,
      ),
      how: `${how}, path`,
    }),
    () => ({ headers: chunked, how: `${how}, chunked` }),
    () => ({ headers: { ...headers, "content-encoding": "gzip" }, how: `${how}, said to be gzip` }),
    () => {
      const packed = gzipSync(body);
      const length = { "content-length": String(packed.length), "content-encoding": "gzip" };
      return { body: packed, isSigned: false, headers: { ...headers, ...length }, how: `${how}, gzip` };
    },
    () => ({
      ...{ headers: { ...headers, "x-more": "x".repeat(LARGE_HEADER) }, how: `${how}, a large header` },
      mayGoUnanswered: true,
    }),
    () => ({
      headers: { ...headers, "content-length": String(body.length + random.integer(1, 1_000)) },
      ...{ how: `${how}, cut`, mayGoUnanswered: true, isCut: true, isSigned: false },
    }),
    () => ({
      headers: { ...headers, "content-length": pick(["99999999999", "1048577"], random) },
      ...{ how: `${how}, announced as too long`, mayGoUnanswered: true, isCut: true, isSigned: false },
    }),
  ];
  return { ...plain, ...pick(others, random)() };
}

interface FuzzedSignature {
  readonly header: string | string[] | undefined;
  readonly isRight: boolean;
  readonly how: string;
}

function signatureOf(body: Buffer, secret: string, maySign: boolean, random: SeededRandom): FuzzedSignature {
  const now = Math.floor(Date.now() / 1000);
  const hmac = (time: number | string, key = secret): string =>
    createHmac("sha256", key).update(`${time}.`).update(body).digest("hex");
  const right = `timestamp=${now},signature=${hmac(now)}`;
  if (maySign && random.next() < 0.6) {
    const forms = [right, right, `signature=${hmac(now).toUpperCase()}, timestamp=${now}`];
    return { header: pick(forms, random), isRight: true, how: "signed" };
  }
  const wrong = `timestamp=${now},signature=${hmac(now, "another secret")}`;
  if (!maySign) {
    // Chance must not sign what could make a Job: not even in a form that this file takes for wrong.
    return { header: wrong, isRight: false, how: "another secret" };
  }
  const forms: [string, string | string[] | undefined][] = [
    ["another secret", wrong],
    ["no signature", undefined],
    ["an empty signature", ""],
    ["an old signature", `timestamp=${now - 3_600},signature=${hmac(now - 3_600)}`],
    ["a signature of tomorrow", `timestamp=${now + 86_400},signature=${hmac(now + 86_400)}`],
    ["another time", `timestamp=${now + 1},signature=${hmac(now)}`],
    ["no time", `signature=${hmac("")}`],
    [
      "a strange time",
      `timestamp=${pick(["NaN", "-1", "1e9", "9".repeat(400), "", " "], random)},signature=${hmac(now)}`,
    ],
    ["a short signature", `timestamp=${now},signature=${hmac(now).slice(0, random.integer(0, 63))}`],
    ["two signatures", `${right},signature=${hmac(now)}`],
    ["two headers", [right, wrong]],
    ["a long header", `${right},${"x".repeat(5_000)}`],
    ["the plain secret", secret],
    ["SHA-1", `timestamp=${now},signature=${createHmac("sha1", secret).update(body).digest("hex")}`],
  ];
  const [how, header] = pick(forms, random);
  return { header, isRight: false, how };
}
