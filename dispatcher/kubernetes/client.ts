import http from "node:http";
import https from "node:https";
import { KubernetesError, statusOf } from "./error";
import { answerOf, codeOf, collect, timeout, type Answer } from "./exchange";
import { readLines } from "./lines";

export { KubernetesError, type KubernetesStatus } from "./error";

/** Where the API server is and who we are. Either a token or a client certificate. */
export interface KubernetesConnection {
  /** `https://host:port`. Plain `http://` is for a proxy in tests. */
  server: string;
  /** PEM of the certificate authority; without it the system's are trusted. */
  ca?: string;
  /** Asked before every request, so that a rotated service account token is used at once. */
  token?: () => string | Promise<string>;
  /** PEM. */
  clientCert?: string;
  /** PEM. */
  clientKey?: string;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface RequestOptions {
  query?: Query;
  /** Sent as JSON. */
  body?: unknown;
  /** Default `application/json`; a PATCH needs its own. */
  contentType?: string;
  /** Default `application/json`. */
  accept?: string;
  signal?: AbortSignal;
  /** For the whole exchange; default: the client's. */
  timeoutMs?: number;
}

export interface WatchOptions {
  query?: Query;
  /** Default `application/json`. */
  accept?: string;
  /** The server has accepted the watch; it may be long until the first event. */
  onOpen?: () => void;
  signal?: AbortSignal;
}

export interface WatchEvent<T> {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  /** The object; with ERROR a Status instead. */
  object: T;
}

export interface ClientOptions {
  /** Connections kept for requests (watches have their own); default 32. */
  maxSockets?: number;
  /** For one request from its first byte to its answer's last; default 30,000. */
  timeoutMs?: number;
  userAgent?: string;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * A thin client of the Kubernetes API over keep-alive connections: JSON in, JSON out, and watches. It retries nothing but
 * a GET whose kept connection the server had just closed: what to do after an unknown outcome is the caller's decision.
 */
export class KubernetesClient {
  readonly #transport: typeof http | typeof https;
  readonly #agent: http.Agent;
  readonly #watchAgent: http.Agent;
  readonly #base: { host: string; port: string; prefix: string };
  readonly #connection: KubernetesConnection;
  readonly #timeoutMs: number;
  readonly #userAgent: string;

  constructor(connection: KubernetesConnection, options: ClientOptions = {}) {
    const url = new URL(connection.server);
    const secure = url.protocol === "https:";
    if (!secure && url.protocol !== "http:") {
      throw new TypeError(`server must be an https:// URL, got ${JSON.stringify(connection.server)}`);
    }
    const tls = { ca: connection.ca, cert: connection.clientCert, key: connection.clientKey };
    const agent = (more: http.AgentOptions): http.Agent => {
      const made = secure ? new https.Agent({ ...tls, ...more }) : new http.Agent(more);
      // All its connections are to one server with one identity: Node would put all certificates together into a name
      // for them, anew for every request.
      made.getName = () => url.host;
      return made;
    };
    this.#transport = secure ? https : http;
    this.#agent = agent({ keepAlive: true, maxSockets: options.maxSockets ?? 32, scheduling: "lifo" });
    this.#watchAgent = agent({});
    this.#base = {
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: url.port === "" ? (secure ? "443" : "80") : url.port,
      prefix: url.pathname.replace(/\/$/, ""),
    };
    this.#connection = connection;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#userAgent = options.userAgent ?? "buildkite-scale-to-zero";
  }

  /**
   * One exchange.
   *
   * @returns the decoded answer; `undefined` where the body was empty.
   * @throws KubernetesError on any status but 2xx; an ordinary Error with a `code` (`ETIMEDOUT` for our own time limit)
   * when there was no complete answer: a write may then have happened or not.
   */
  async request<T = unknown>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
    // A string: Node sends it in one piece with the headers, a Buffer in a write (and a TLS record) of its own.
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const headers = await this.#headers(options.accept);
    if (body !== undefined) {
      headers["content-type"] = options.contentType ?? "application/json";
      headers["content-length"] = Buffer.byteLength(body);
    }
    const answer = await this.#exchange(method, path, headers, body, options);
    const text = answer.body.toString("utf8");
    if (answer.status < 200 || answer.status > 299) {
      throw new KubernetesError(`${method} ${path}`, answer.status, statusOf(text), answer.retryAfter);
    }
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /**
   * The events of one watch, until the server ends it.
   *
   * @throws KubernetesError when the watch is refused; an ordinary Error when the connection breaks; AbortError.
   */
  async *watch<T>(path: string, options: WatchOptions = {}): AsyncGenerator<WatchEvent<T>, void, void> {
    const headers = await this.#headers(options.accept);
    const target = this.#target(path, { ...options.query, watch: true });
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const request = this.#transport.request({
        ...target,
        agent: this.#watchAgent,
        method: "GET",
        headers,
        signal: options.signal,
      });
      request.setTimeout(this.#timeoutMs, () => request.destroy(timeout(`watch ${path}`, this.#timeoutMs)));
      request.once("error", reject);
      request.once("response", (incoming) => {
        if (incoming.statusCode === 200) {
          // From here on silence is normal. A server that vanished is noticed by TCP's own probes.
          request.setTimeout(0);
        }
        incoming.socket.setKeepAlive(true, 15_000);
        // An error after the answer began reaches the reader of the stream; here it must only not be unhandled.
        request.on("error", () => undefined);
        resolve(incoming);
      });
      request.end();
    });
    try {
      if (response.statusCode !== 200) {
        const text = (await collect(response)).toString("utf8");
        const retryAfter = response.headers["retry-after"];
        throw new KubernetesError(`watch ${path}`, response.statusCode ?? 0, statusOf(text), retryAfter);
      }
      options.onOpen?.();
      for await (const line of readLines(response)) {
        yield JSON.parse(line) as WatchEvent<T>;
      }
    } finally {
      response.destroy();
    }
  }

  /** Closes the idle connections; requests under way fail. */
  close(): void {
    this.#agent.destroy();
    this.#watchAgent.destroy();
  }

  async #headers(accept = "application/json"): Promise<http.OutgoingHttpHeaders> {
    const headers: http.OutgoingHttpHeaders = { accept, "user-agent": this.#userAgent };
    if (this.#connection.token !== undefined) {
      headers["authorization"] = `Bearer ${await this.#connection.token()}`;
    }
    return headers;
  }

  #target(path: string, query: Query = {}): { host: string; port: string; path: string } {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) {
        search.append(name, String(value));
      }
    }
    const text = search.toString();
    const { host, port, prefix } = this.#base;
    return { host, port, path: text === "" ? prefix + path : `${prefix}${path}?${text}` };
  }

  async #exchange(
    method: Method,
    path: string,
    headers: http.OutgoingHttpHeaders,
    body: string | undefined,
    options: RequestOptions,
  ): Promise<Answer> {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    const target = this.#target(path, options.query);
    for (let first = true; ; first = false) {
      const request = this.#transport.request({ ...target, agent: this.#agent, method, headers });
      try {
        return await answerOf(request, body, `${method} ${path}`, timeoutMs, options.signal);
      } catch (error) {
        // The server may close a kept connection just as we use it. A GET loses nothing by being sent again.
        if (!first || method !== "GET" || !request.reusedSocket || codeOf(error) !== "ECONNRESET") {
          throw error;
        }
      }
    }
  }
}
