import { PROJECT, MANAGED_BY_LABEL } from "../components/contract";
import type { JobManifest, PodTemplateObject } from "../components/stamp";
import { KubernetesError, type KubernetesClient, type RequestOptions } from "./kubernetes/client";
import { METADATA_ONLY, type Job, type KubernetesEvent, type MetadataOnly, type Pod } from "./kubernetes/objects";
import { codeOf } from "./kubernetes/exchange";
import type { Metrics } from "./metrics";

/** For one request; an answer later than this counts as none, and what happened is found out by asking again. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Selects what the dispatcher stamped. */
export const OURS = { labelSelector: `${MANAGED_BY_LABEL}=${PROJECT}` };

/** Events of one object read at one time. */
const MOST_EVENTS = 100;

interface PodList {
  metadata: { continue?: string };
  items?: Pod[] | null;
}

/** Set by the Job controller on every pod it makes. */
const JOB_NAME_LABEL = "batch.kubernetes.io/job-name";

/**
 * Every call the dispatcher makes besides its watches: what its Role must allow, in one place, timed. Reads go to the
 * API server and see everything that was written before.
 */
export class AgentsNamespace {
  readonly jobsPath: string;
  readonly podsPath: string;
  readonly templatesPath: string;
  readonly #eventsPath: string;
  readonly #client: KubernetesClient;
  readonly #metrics: Metrics;
  #lastContact = 0;

  constructor(client: KubernetesClient, namespace: string, metrics: Metrics) {
    this.#client = client;
    this.#metrics = metrics;
    this.jobsPath = `/apis/batch/v1/namespaces/${namespace}/jobs`;
    this.podsPath = `/api/v1/namespaces/${namespace}/pods`;
    this.#eventsPath = `/api/v1/namespaces/${namespace}/events`;
    this.templatesPath = `/api/v1/namespaces/${namespace}/podtemplates`;
  }

  /** When the API server last answered, whatever it said; milliseconds since 1970. */
  get lastContact(): number {
    return this.#lastContact;
  }

  /** @returns the Job's uid. */
  async createJob(manifest: JobManifest, signal: AbortSignal): Promise<string | undefined> {
    // Of the answer nothing is used: the metadata is the smallest there is.
    const options = { body: manifest, query: { fieldValidation: "Strict" }, accept: METADATA_ONLY, signal };
    const made = await this.#timed<Partial<MetadataOnly> | undefined>("create", "jobs", "POST", this.jobsPath, options);
    return made?.metadata?.uid;
  }

  /** `undefined` where there is none. */
  readJob(name: string, signal: AbortSignal): Promise<Job | undefined> {
    return this.#find("jobs", `${this.jobsPath}/${name}`, { signal });
  }

  /** Of the pod's metadata; `undefined` where there is none. */
  readPod(name: string, signal: AbortSignal): Promise<MetadataOnly | undefined> {
    return this.#find("pods", `${this.podsPath}/${name}`, { accept: METADATA_ONLY, signal });
  }

  /** `undefined` where there is none. */
  readWholePod(name: string, signal: AbortSignal): Promise<Pod | undefined> {
    return this.#find("pods", `${this.podsPath}/${name}`, { signal });
  }

  /** What the API server says of a token. The one call outside of the namespace; only with job acquisition tokens. */
  async reviewToken(token: string, audience: string, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const body = {
      ...{ apiVersion: "authentication.k8s.io/v1", kind: "TokenReview" },
      spec: { token, audiences: [audience] },
    };
    const path = "/apis/authentication.k8s.io/v1/tokenreviews";
    const review = await this.#timed<{ status?: Record<string, unknown> }>("create", "tokenreviews", "POST", path, {
      ...{ body, signal },
    });
    return review.status ?? {};
  }

  /** The pods that a Job of this name made. */
  async podsOf(jobName: string, signal: AbortSignal): Promise<Pod[]> {
    const query = { labelSelector: `${OURS.labelSelector},${JOB_NAME_LABEL}=${jobName}` };
    return (
      (await this.#timed<{ items?: Pod[] | null }>("list", "pods", "GET", this.podsPath, { query, signal })).items ?? []
    );
  }

  /** Our pods that have a node and are not running yet; those that wait for a node, however many, are not among them. */
  async *startingPods(signal: AbortSignal): AsyncGenerator<Pod, void, void> {
    let page: string | undefined;
    do {
      const query = { ...OURS, fieldSelector: "status.phase=Pending,spec.nodeName!=", limit: 500, continue: page };
      const list = await this.#timed<PodList>("list", "pods", "GET", this.podsPath, { query, signal });
      yield* list.items ?? [];
      page = list.metadata.continue === "" ? undefined : list.metadata.continue;
    } while (page !== undefined);
  }

  /** What was said of this very object, the newest first; of very many events some are left out. */
  async eventsOf(uid: string, signal: AbortSignal): Promise<KubernetesEvent[]> {
    const query = { fieldSelector: `involvedObject.uid=${uid}`, limit: MOST_EVENTS };
    const list = await this.#timed<{ items?: KubernetesEvent[] | null }>("list", "events", "GET", this.#eventsPath, {
      ...{ query, signal },
    });
    return (list.items ?? []).sort((a, b) => timeOfEvent(b) - timeOfEvent(a));
  }

  /** `undefined` where there is none. */
  readTemplate(name: string, signal: AbortSignal): Promise<PodTemplateObject | undefined> {
    return this.#find("podtemplates", `${this.templatesPath}/${name}`, { signal });
  }

  /**
   * Deletes this very Job and its pods. A plain DELETE of a Job would leave its pods running, and one without the uid
   * would hit whatever has the name by now: for example the Job that another replica has just put there.
   *
   * @returns false when that Job is no longer there.
   */
  deleteJob(name: string, uid: string, signal: AbortSignal): Promise<boolean> {
    return this.#delete("jobs", `${this.jobsPath}/${name}`, { uid }, "Foreground", signal);
  }

  /** Deletes this very pod. @returns false when that pod is no longer there, or no longer as it was read. */
  deletePod(name: string, asRead: { uid: string; resourceVersion?: string }, signal: AbortSignal): Promise<boolean> {
    return this.#delete("pods", `${this.podsPath}/${name}`, asRead, undefined, signal);
  }

  async #find<T>(resource: string, path: string, options: RequestOptions): Promise<T | undefined> {
    try {
      return await this.#timed<T>("get", resource, "GET", path, options);
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }

  async #delete(
    resource: string,
    path: string,
    preconditions: { uid: string; resourceVersion?: string },
    propagationPolicy: string | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions, propagationPolicy };
    try {
      await this.#timed("delete", resource, "DELETE", path, { body, accept: METADATA_ONLY, signal });
      return true;
    } catch (error) {
      if (error instanceof KubernetesError && (error.status === 404 || error.status === 409)) {
        return false;
      }
      throw error;
    }
  }

  async #timed<T>(
    verb: string,
    resource: string,
    method: "GET" | "POST" | "DELETE",
    path: string,
    options: RequestOptions,
  ): Promise<T> {
    const began = performance.now();
    let code = "200";
    try {
      const answer = await this.#client.request<T>(method, path, { timeoutMs: REQUEST_TIMEOUT_MS, ...options });
      this.#lastContact = Date.now();
      return answer;
    } catch (error) {
      if (error instanceof KubernetesError) {
        this.#lastContact = Date.now();
        code = String(error.status);
      } else {
        code = codeOf(error) ?? "error";
      }
      throw error;
    } finally {
      this.#metrics.requests.observe({ verb, resource, code }, (performance.now() - began) / 1000);
    }
  }
}

/** When it happened last, in milliseconds since 1970: old and new clients say it in different fields. */
function timeOfEvent({ metadata, lastTimestamp, eventTime, series }: KubernetesEvent): number {
  const times = [series?.lastObservedTime, lastTimestamp, eventTime, metadata.creationTimestamp];
  const time = Date.parse(times.find((one) => typeof one === "string") ?? "");
  return Number.isNaN(time) ? 0 : time;
}
