import { labelValue } from "../components/stamp";
import type { AgentsNamespace } from "./agents-namespace";
import { JobsWatch } from "./jobs-watch";
import type { KubernetesClient } from "./kubernetes/client";
import { messageOf, type Log } from "./log";
import type { Metrics } from "./metrics";
import { PodsByJob } from "./pods-by-job";
import { PodsWatch } from "./pods-watch";
import type { DispatcherSettings } from "./settings";
import { Stories } from "./stories";
import { Templates } from "./templates";

export interface ClusterOptions {
  client: KubernetesClient;
  api: AgentsNamespace;
  settings: Pick<DispatcherSettings, "agentsNamespace" | "queues">;
  metrics: Metrics;
  log: Log;
  onJobGone: (name: string) => void;
  onJobFinished: (name: string) => void;
}

/** What is watched of the agents' namespace, and the stories that come of it. */
export class Cluster {
  readonly templates: Templates;
  readonly jobs: JobsWatch;
  readonly pods: PodsWatch;
  readonly stories: Stories;
  readonly #podsByJob = new PodsByJob();
  readonly #names: readonly string[];
  readonly #api: AgentsNamespace;

  constructor({ client, api, settings, metrics, log, onJobGone, onJobFinished }: ClusterOptions) {
    const { agentsNamespace: namespace, queues } = settings;
    const keys = queues.map(({ key }) => key);
    const failed = (resource: string) => (error: unknown) => {
      metrics.informerErrors.inc({ resource });
      log.warn("watch failed, will be tried again", { resource, error: messageOf(error) });
    };
    this.#api = api;
    this.#names = [...new Set(queues.map(({ template }) => template))];
    this.templates = new Templates({
      ...{ client, api, namespace, names: new Set(this.#names), onError: failed("podtemplates") },
      onChange: (template, change) => {
        log.info("template", { template, change });
      },
    });
    this.jobs = new JobsWatch({
      ...{
        client,
        api,
        namespace,
        queues: keys,
        onGone: onJobGone,
        onFinished: onJobFinished,
        onError: failed("jobs"),
      },
      onChange: (kind, job) => {
        if (!this.jobs.synced) {
          this.stories.found(job);
        }
        this.stories.jobChanged(kind, job);
      },
    });
    this.pods = new PodsWatch({
      ...{ client, api, queues: keys, onError: failed("pods") },
      onChange: (kind, pod, previous) => {
        this.#podsByJob.onChange(kind, pod, previous);
        this.stories.podChanged(pod);
      },
    });
    this.stories = new Stories({
      ...{ metrics, log },
      queueOf: (label) => keys.find((key) => labelValue(key) === label) ?? "other",
      isThere: (name, uid) => this.jobs.get(name)?.uid === uid,
    });
  }

  /** When the API server last answered or sent anything, in milliseconds since 1970; 0 for never. */
  get lastContact(): number {
    return Math.max(...[this.#api, this.templates, this.jobs, this.pods].map(({ lastContact }) => lastContact));
  }

  /** Whether there may be pods of the Buildkite job, ended ones too, as the watch last saw them. */
  hasPods(jobUuid: string): boolean {
    return this.#podsByJob.has(jobUuid);
  }

  /** Names of the served queues' PodTemplates that are not there; none before they were read. */
  get missingTemplates(): string[] {
    const { templates } = this;
    return templates.synced ? this.#names.filter((name) => templates.watched(name) === undefined) : [];
  }

  /** Begins; each is settled once that collection was read for the first time. */
  start(signal: AbortSignal): { templates: Promise<void>; jobs: Promise<void>; pods: Promise<void> } {
    const jobs = this.jobs.start(signal);
    // After the Jobs, so that what a pod tells has a story to go to.
    return { templates: this.templates.start(signal), jobs, pods: jobs.then(() => this.pods.start(signal)) };
  }
}
