import type { PodTemplateObject } from "../components/stamp";
import type { AgentsNamespace } from "./agents-namespace";
import { Informer, type KubernetesObject } from "./kubernetes/informer";
import type { KubernetesClient } from "./kubernetes/client";
import { Watched } from "./watched";

interface LiveRead {
  readonly began: number;
  readonly result: Promise<PodTemplateObject | undefined>;
}

export interface TemplatesOptions {
  client: KubernetesClient;
  api: AgentsNamespace;
  /** Of the agents. */
  namespace: string;
  /** Only these are kept. */
  names: ReadonlySet<string>;
  onChange?: (name: string, kind: string) => void;
  onError?: (error: unknown) => void;
}

/** The PodTemplates of the served queues as the API server's JSON has them: nothing is dropped that it may contain. */
export class Templates extends Watched<PodTemplateObject | undefined, KubernetesObject & PodTemplateObject> {
  readonly #options: TemplatesOptions;
  protected readonly informer: Informer<PodTemplateObject | undefined, KubernetesObject & PodTemplateObject>;
  readonly #live = new Map<string, LiveRead>();

  constructor(options: TemplatesOptions) {
    super();
    this.#options = options;
    this.informer = new Informer({
      client: options.client,
      path: options.api.templatesPath,
      keep: (object) => (options.names.has(object.metadata.name) ? object : undefined),
      onChange: (kind, kept) => {
        if (kept !== undefined) {
          // The watch is the newer source again.
          this.#live.delete(kept.metadata.name);
          options.onChange?.(kept.metadata.name, kind);
        }
      },
      onError: options.onError,
    });
  }

  /** As the watch last saw it. */
  watched(name: string): PodTemplateObject | undefined {
    return this.informer.get(this.#options.namespace, name);
  }

  /**
   * As the API server has it, read no earlier than `since`; everybody who asks at about the same time shares one read.
   *
   * @param since milliseconds since 1970.
   */
  live(name: string, since: number, signal: AbortSignal): Promise<PodTemplateObject | undefined> {
    const last = this.#live.get(name);
    if (last !== undefined && last.began >= since) {
      return last.result;
    }
    const read = { began: Date.now(), result: this.#options.api.readTemplate(name, signal) };
    this.#live.set(name, read);
    // A failed read is nobody's answer but theirs who waited for it.
    read.result.catch(() => {
      if (this.#live.get(name) === read) {
        this.#live.delete(name);
      }
    });
    return read.result;
  }
}
