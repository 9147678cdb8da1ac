/**
 * A stand-in for the cloud's load balancers: gives every Service of type LoadBalancer and every Ingress an address from
 * the documentation range 203.0.113.0/24 (RFC 5737), so that whoever waits for one gets it.
 * Does not prove: that a load balancer would come up, be healthy or let anything through; nothing listens there.
 */
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import { Informer } from "../../dispatcher/kubernetes/informer";

interface Exposed {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: { readonly type?: string };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly unknown[] } };
}

interface Wanting {
  readonly path: string;
  readonly wants: boolean;
}

/** See the top of this file. */
export class Addresses {
  /** Addresses given so far, by the object's API path. */
  readonly given = new Map<string, string>();
  private readonly stopping = new AbortController();
  private readonly informers: Informer<Wanting, Exposed>[];
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    private readonly client: KubernetesClient,
    private readonly onError: (error: unknown) => void = () => undefined,
  ) {
    this.informers = [
      this.informer("/api/v1", "services", ({ spec }) => spec?.type === "LoadBalancer"),
      this.informer("/apis/networking.k8s.io/v1", "ingresses", () => true),
    ];
  }

  /** Resolves once what there is was read. */
  async start(): Promise<void> {
    await Promise.all(this.informers.map((informer) => informer.start(this.stopping.signal)));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.underWay);
  }

  private informer(api: string, plural: string, exposes: (object: Exposed) => boolean): Informer<Wanting, Exposed> {
    return new Informer<Wanting, Exposed>({
      client: this.client,
      path: `${api}/${plural}`,
      keep: (object) => ({
        path: `${api}/namespaces/${object.metadata.namespace ?? ""}/${plural}/${object.metadata.name}`,
        wants: exposes(object) && (object.status?.loadBalancer?.ingress ?? []).length === 0,
      }),
      onChange: (change, { path, wants }) => {
        if (change !== "deleted" && wants) {
          const giving = this.give(path).finally(() => this.underWay.delete(giving));
          this.underWay.add(giving);
        }
      },
      onError: this.onError,
    });
  }

  private async give(path: string): Promise<void> {
    const ip = this.given.get(path) ?? `203.0.113.${(this.given.size % 250) + 1}`;
    this.given.set(path, ip);
    try {
      await this.client.request("PATCH", `${path}/status`, {
        contentType: "application/merge-patch+json",
        body: { status: { loadBalancer: { ingress: [{ ip }] } } },
        signal: this.stopping.signal,
      });
    } catch (error) {
      const gone = error instanceof KubernetesError && error.status === 404;
      if (!gone && !this.stopping.signal.aborted) {
        this.onError(error);
      }
    }
  }
}
