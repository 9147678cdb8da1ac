import { setTimeout as sleep } from "node:timers/promises";
import type { PodTemplateObject } from "../../components/stamp";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { Job } from "../../dispatcher/kubernetes/objects";
import type { AgentsFixture } from "../bench/agents-fixture";
import type { FaultProxy } from "../fault-proxy";

/** As the API server returns a Job. */
export interface SeenJob {
  readonly metadata: Job["metadata"] & { readonly creationTimestamp: string };
  readonly spec: { readonly template: { readonly spec: { readonly activeDeadlineSeconds?: number } } };
  readonly status?: Job["status"];
}

/** Where agents' pods find their token. */
interface TokenSecret {
  readonly name: string;
  readonly token: string;
}

/** A row's part of Kubernetes, for rows that do something to it: the agents' namespace and the way to the API server. */
export class KubernetesSide {
  readonly namespace: string;

  constructor(
    readonly admin: KubernetesClient,
    readonly agents: AgentsFixture,
    private readonly secret: TokenSecret,
    private readonly between: FaultProxy | undefined,
  ) {
    this.namespace = agents.namespace;
  }

  /** Between the dispatchers and the API server. @throws where the row's setting has none. */
  get proxy(): FaultProxy {
    if (this.between === undefined) {
      throw new Error("the row's setting must have proxy: true");
    }
    return this.between;
  }

  /** Makes what the namespace needs besides the fixture: the agents' token, and a service account for pods. */
  async prepare(signal: AbortSignal): Promise<void> {
    const { name, token } = this.secret;
    await this.admin.request("POST", `/api/v1/namespaces/${this.namespace}/secrets`, {
      body: { metadata: { name }, stringData: { token } },
    });
    // Pods of a namespace without its default service account are refused, and tried again ever later.
    while ((await this.find(`/api/v1/namespaces/${this.namespace}/serviceaccounts/default`)) === undefined) {
      await sleep(50, undefined, { signal });
    }
  }

  /** Gives the agents' pods another token; without one the right one again. */
  async setAgentToken(token = this.secret.token): Promise<void> {
    const path = `/api/v1/namespaces/${this.namespace}/secrets/${this.secret.name}`;
    await this.patch(path, { stringData: { token } });
  }

  /** A merge patch; returns the object as it is then. */
  async patch<T>(path: string, body: unknown): Promise<T> {
    return await this.admin.request<T>("PATCH", path, { body, contentType: "application/merge-patch+json" });
  }

  /** The object, or undefined where there is none. */
  async find<T = unknown>(path: string): Promise<T | undefined> {
    try {
      return await this.admin.request<T>("GET", path);
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }

  /** The PodTemplate as it is now. */
  async template(): Promise<PodTemplateObject> {
    return await this.admin.request<PodTemplateObject>("GET", this.agents.templatePath);
  }

  /** Every Job of the namespace, whoever's. */
  async jobs(): Promise<SeenJob[]> {
    return (await this.admin.request<{ items: SeenJob[] }>("GET", this.agents.jobsPath)).items;
  }

  /** What a person does with `kubectl delete job`, `--cascade=orphan` for Orphan; a Job that is gone is no fault. */
  async deleteJob(name: string, propagationPolicy: "Background" | "Orphan"): Promise<void> {
    try {
      await this.admin.request("DELETE", `${this.agents.jobsPath}/${name}`, { body: { propagationPolicy } });
    } catch (error) {
      if (!(error instanceof KubernetesError && error.status === 404)) {
        throw error;
      }
    }
  }
}
