import { parseChallenges, type Challenge } from "./challenge";
import type { Credential } from "./credentials";
import { ImageFault } from "./image-fault";
import type { Reference } from "./reference";
import { NoAnswer, send, type Answer, type SendOptions } from "./transport";

/** What a registry is asked with. */
export interface RegistryOptions extends Pick<SendOptions, "patience" | "signal"> {
  readonly credential: Credential;
  /** Hosts (with their ports) that may be asked over plain HTTP, besides loopback. */
  readonly insecure: readonly string[];
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/** One repository of a registry, by the OCI distribution specification, with what it needs to be let in. */
export class Registry {
  readonly #reference: Reference;
  readonly #options: RegistryOptions;
  readonly #mayBePlain: (host: string) => boolean;
  /** Once it was let in. */
  #authorization: string | undefined;

  constructor(reference: Reference, options: RegistryOptions) {
    this.#reference = reference;
    this.#options = options;
    this.#mayBePlain = (host) => LOOPBACK.test(host) || options.insecure.includes(host);
  }

  /**
   * Asks for something of the repository, `manifests/29.7.2-dind`, logging in where that is asked for.
   *
   * @returns any answer but 401, 403, 429 and 5xx.
   * @throws ImageFault; the signal's reason.
   */
  async ask(method: "GET" | "HEAD", path: string, accept: readonly string[]): Promise<Answer> {
    const { host, repository } = this.#reference;
    const url = new URL(`${this.#mayBePlain(host) ? "http" : "https"}://${host}/v2/${repository}/${path}`);
    const once = () => this.#send(url, { method, headers: { accept: accept.join(", "), ...this.#authorized() } });
    let answer = await once();
    if (answer.status === 401) {
      this.#authorization = await this.#logIn(answer);
      answer = await once();
    }
    if (answer.status === 401 || answer.status === 403) throw this.#refused(answer.status, host);
    return answer;
  }

  /** A fault of this image. */
  fault(reason: string, fix: string): ImageFault {
    return new ImageFault(this.#reference.tagged, this.#reference.registry, reason, fix);
  }

  #authorized(): Record<string, string> {
    return this.#authorization === undefined ? {} : { authorization: this.#authorization };
  }

  async #send(url: URL, request: Pick<SendOptions, "method" | "headers">): Promise<Answer> {
    const { patience, signal, credential } = this.#options;
    try {
      return await send(url, { ...request, patience, signal, mayBePlain: this.#mayBePlain });
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      const note = error.reason.includes(" 429") ? credential.note : undefined;
      throw this.fault(error.reason, note === undefined ? error.fix : `${error.fix}; ${note}`);
    }
  }

  /** The value of `Authorization` that answers a 401. */
  async #logIn(answer: Answer): Promise<string> {
    const challenges = parseChallenges(answer.headers.get("www-authenticate") ?? "");
    const bearer = challenges.find(
      ({ scheme, parameters }) => scheme === "bearer" && parameters["realm"] !== undefined,
    );
    if (bearer !== undefined) return `Bearer ${await this.#token(bearer)}`;
    if (!challenges.some(({ scheme }) => scheme === "basic")) {
      throw this.fault(
        "it answers 401 and names no way to log in that is known here (Bearer, Basic)",
        "See that this is a registry",
      );
    }
    return this.#basic() ?? this.#throwRefused(401, this.#reference.host);
  }

  /** A token for reading this repository, from the server that the registry names. */
  async #token({ parameters }: Challenge): Promise<string> {
    const { repository, registry } = this.#reference;
    const realm = parameters["realm"] ?? "";
    if (!URL.canParse(realm)) {
      throw this.fault(
        `it sends for a token to ${JSON.stringify(realm)}, which is no address`,
        "See that this is a registry",
      );
    }
    const url = new URL(realm);
    if (parameters["service"] !== undefined) url.searchParams.set("service", parameters["service"]);
    url.searchParams.set("scope", parameters["scope"] ?? `repository:${repository}:pull`);
    const basic = this.#basic();
    const answer = await this.#send(url, { headers: basic === undefined ? {} : { authorization: basic } });
    if (answer.status === 401 || answer.status === 403) throw this.#refused(answer.status, url.host);
    const token = answer.status === 200 ? tokenIn(answer.body) : undefined;
    if (token === undefined) {
      throw this.fault(
        `${url.host}, where ${registry} sends for a token, answers ${answer.status} without one`,
        "Try again later",
      );
    }
    return token;
  }

  #basic(): string | undefined {
    const { basic } = this.#options.credential;
    if (basic === undefined) return undefined;
    return `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString("base64")}`;
  }

  #throwRefused(status: number, host: string): never {
    throw this.#refused(status, host);
  }

  #refused(status: number, host: string): ImageFault {
    const { registry, repository } = this.#reference;
    const { basic, note } = this.#options.credential;
    const who = basic === undefined ? "an anonymous request" : "the credentials that Docker's config.json has for it";
    return this.fault(
      `${host} refuses ${who} (${status}): ${repository} is private, or there is no such repository`,
      note ?? `See that the name is right, then: docker login ${registry === "docker.io" ? "" : registry}`.trimEnd(),
    );
  }
}

function tokenIn(body: Buffer): string | undefined {
  try {
    const { token, access_token } = JSON.parse(body.toString("utf8")) as { token?: unknown; access_token?: unknown };
    const found = token ?? access_token;
    // Anything else would be refused as a header, with its value in the error.
    return typeof found === "string" && /^[\x21-\x7e]+$/.test(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
