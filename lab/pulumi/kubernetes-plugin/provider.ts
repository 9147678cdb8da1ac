import { randomBytes } from "node:crypto";
import { KubernetesError } from "../../../dispatcher/kubernetes/client";
import type { EngineLog } from "../provider-protocol/engine-log";
import { containsUnknown, plainProperties, type Properties } from "../provider-protocol/property-values";
import {
  InitializationError,
  type CheckRequest,
  type CheckResult,
  type CreateRequest,
  type DeleteRequest,
  type DiffRequest,
  type DiffResult,
  type ReadRequest,
  type ResourceProvider,
  type UpdateRequest,
} from "../provider-protocol/provider";
import { Cluster, NoMatchError } from "./cluster";
import { conflictOr, createObject, isForced, isSwallowed, messageOf } from "./create-object";
import { diffInputs } from "./diff";
import { checkedInputs, kindOf } from "./inputs";
import { annotation, idOf, type KubernetesObject } from "./kubernetes-object";
import { checkProviderConfig, diffProviderConfig, readProviderConfig, type ProviderConfig } from "./provider-config";
import { readinessCheck } from "./readiness";
import { fieldManagerOf, refreshedInputs, stateOf } from "./state";
import { waitUntilGone, waitUntilReady, type Wait } from "./waiting";

/**
 * The kubernetes plugin double: Pulumi's protocol on one side, a real API server on the other.
 *
 * Models, after pulumi-kubernetes 4.29 and later (read, not run): the provider's kubeconfig with exec credentials;
 * replacement of the provider by `clusterIdentifier`; generated names; plain create that refuses what exists;
 * server-side apply with a field manager per object; forced replacement and delete-before-replace; dry run at preview
 * and what it swallows; waiting for Deployments, Services, Ingresses, quotas and deletions, with customTimeouts and the
 * `pulumi.com/` annotations skipAwait, timeoutSeconds, patchForce and deletionPropagationPolicy; refresh.
 *
 * Stricter than the real one: it asks for `fieldValidation=Strict` (unknown fields are refused by server-side apply
 * either way), refuses a provider without kubeconfig, and wants a ready endpoint for an Ingress. Shorter: the real one
 * waits 10 s for endpoints to settle. Differences are found between inputs, as after a refresh, never against a live
 * object nobody asked for.
 *
 * Refused by name: Patch and List types, Helm, YAML, Kustomize, functions, waiting for other workloads, other settings.
 * Does not prove: the real plugin.
 */
export class KubernetesProvider implements ResourceProvider {
  readonly name = "kubernetes";
  readonly version = process.env["LAB_PLUGIN_VERSION"] ?? "0.0.0";
  readonly #log: EngineLog;
  readonly #cancelled = new AbortController();
  #settings: ProviderConfig | undefined;
  #connected: Cluster | undefined;

  constructor(log: EngineLog) {
    this.#log = log;
  }

  checkConfig(request: CheckRequest): Promise<CheckResult> {
    return Promise.resolve(checkProviderConfig(request.news));
  }

  diffConfig(request: DiffRequest): Promise<DiffResult> {
    return Promise.resolve(diffProviderConfig(request.oldInputs, request.news));
  }

  async configure(config: Properties): Promise<void> {
    this.#settings = readProviderConfig(config);
    this.#connected = new Cluster(this.#settings, this.#cancelled.signal);
    await this.#connected.connect();
  }

  invoke(token: string): Promise<Properties> {
    return Promise.reject(new Error(`the kubernetes double does not model the function ${token}`));
  }

  async check(request: CheckRequest): Promise<CheckResult> {
    const namespace = (await this.#isNamespaced(request)) ? this.#cluster.defaultNamespace : undefined;
    return { inputs: checkedInputs(request, namespace), failures: [] };
  }

  diff(request: DiffRequest): Promise<DiffResult> {
    const { enableConfigMapMutable = false, enableSecretMutable = false } = this.#settings ?? {};
    return Promise.resolve(
      diffInputs(request.oldInputs, request.news, { enableConfigMapMutable, enableSecretMutable }),
    );
  }

  async create(request: CreateRequest): Promise<{ id: string; state: Properties }> {
    const { urn, inputs, preview } = request;
    if (preview && (this.#cluster.unreachable !== undefined || containsUnknown(inputs))) {
      return { id: "", state: inputs };
    }
    this.#requireCluster();
    const object = plainProperties(inputs);
    if (annotation(object, "pulumi.com/skipAwait") !== "true") {
      // What cannot be waited for is refused before it exists.
      readinessCheck(object);
    }
    const fieldManager =
      annotation(object, "pulumi.com/patchFieldManager") ?? `pulumi-kubernetes-${randomBytes(4).toString("hex")}`;
    let created: KubernetesObject;
    try {
      created = await createObject(object, this.#cluster, { fieldManager, dryRun: preview, ...this.#wait(request) });
    } catch (error) {
      if (preview && isSwallowed(error)) {
        return { id: "", state: inputs };
      }
      throw new Error(
        `resource ${JSON.stringify(urn)} was not successfully created by the Kubernetes API server: ${messageOf(error)}`,
        { cause: error },
      );
    }
    if (preview) {
      return { id: "", state: withoutStatus(stateOf(created, inputs, fieldManager)) };
    }
    const { live, reasons } = await waitUntilReady(created, object, this.#cluster, this.#wait(request));
    const state = stateOf(live, inputs, fieldManager);
    if (reasons.length > 0) {
      const what =
        `resource ${JSON.stringify(urn)} was successfully created, but the Kubernetes API server reported that it ` +
        `failed to fully initialize or become live: ${reasons[0] ?? ""}`;
      throw new InitializationError(idOf(live), [what, ...reasons.slice(1)], state);
    }
    return { id: idOf(live), state };
  }

  async read(request: ReadRequest) {
    this.#requireCluster();
    const inputs = { ...kindOf(request.type), ...request.inputs };
    const object = plainProperties(inputs);
    const live = await this.#liveOrGone(object);
    if (live === undefined) {
      return undefined;
    }
    const state = stateOf(live, inputs, fieldManagerOf(request.state));
    const now = refreshedInputs(inputs, plainProperties(request.state), live);
    const check = annotation(object, "pulumi.com/skipAwait") === "true" ? undefined : readinessCheck(live);
    const readiness = await check?.(live, this.#cluster);
    if (readiness?.ready === false) {
      throw new InitializationError(request.id, readiness.reasons, state, now);
    }
    return { id: request.id, state, inputs: now };
  }

  async update(request: UpdateRequest): Promise<{ state: Properties }> {
    const { urn, news, preview } = request;
    if (preview && (this.#cluster.unreachable !== undefined || containsUnknown(news))) {
      return { state: news };
    }
    this.#requireCluster();
    const object = plainProperties(news);
    const fieldManager = annotation(object, "pulumi.com/patchFieldManager") ?? fieldManagerOf(request.oldState);
    let updated: KubernetesObject;
    try {
      if ((await this.#cluster.get(object)) === undefined) {
        throw new Error(`${idOf(object)} not found: somebody deleted it; pulumi refresh takes it out of the state`);
      }
      const force = isForced(object, preview);
      updated = await this.#cluster.apply(object, { fieldManager, force, dryRun: preview });
    } catch (error) {
      if (preview && error instanceof KubernetesError && error.status === 403) {
        return { state: news };
      }
      throw new Error(`update of resource ${JSON.stringify(urn)} failed: ${conflictOr(error, fieldManager)}`, {
        cause: error,
      });
    }
    if (preview) {
      return { state: stateOf(updated, news, fieldManager) };
    }
    const { live, reasons } = await waitUntilReady(updated, object, this.#cluster, this.#wait(request));
    const state = stateOf(live, news, fieldManager);
    if (reasons.length > 0) {
      const what =
        `the Kubernetes API server reported that ${JSON.stringify(idOf(live))} failed to fully initialize or become ` +
        `live: ${reasons[0] ?? ""}`;
      throw new InitializationError(idOf(live), [what, ...reasons.slice(1)], state);
    }
    return { state };
  }

  async delete(request: DeleteRequest): Promise<void> {
    this.#requireCluster();
    const inputs = plainProperties(request.oldInputs);
    const object = { ...kindOf(request.type), ...inputs };
    const live = await this.#liveOrGone(object);
    if (live === undefined) {
      return;
    }
    const policy = annotation(inputs, "pulumi.com/deletionPropagationPolicy") ?? "foreground";
    const propagationPolicy = policy.charAt(0).toUpperCase() + policy.slice(1);
    try {
      await this.#cluster.request("DELETE", await this.#cluster.path(object), { query: { propagationPolicy } });
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 404) {
        return;
      }
      throw error;
    }
    if (annotation(inputs, "pulumi.com/skipAwait") !== "true") {
      await waitUntilGone(live, inputs, this.#cluster, this.#wait(request));
    }
  }

  cancel(): void {
    this.#cancelled.abort(new Error("cancelled"));
  }

  get #cluster(): Cluster {
    if (this.#connected === undefined) {
      throw new Error("the kubernetes provider was not configured");
    }
    return this.#connected;
  }

  #requireCluster(): void {
    if (this.#cluster.unreachable !== undefined) {
      throw new Error(`configured Kubernetes cluster is unreachable: ${this.#cluster.unreachable}`);
    }
  }

  async #isNamespaced(request: CheckRequest): Promise<boolean> {
    if (this.#cluster.defaultNamespace === undefined || this.#cluster.unreachable !== undefined) {
      return false;
    }
    return (await this.#cluster.mapping(kindOf(request.type))).namespaced;
  }

  async #liveOrGone(object: KubernetesObject): Promise<KubernetesObject | undefined> {
    try {
      return await this.#cluster.get(object);
    } catch (error) {
      // A kind that is gone took its objects with it.
      if (error instanceof NoMatchError) {
        return undefined;
      }
      throw error;
    }
  }

  #wait({ urn, timeoutSeconds }: { urn: string; timeoutSeconds: number }): Wait {
    return { urn, timeoutSeconds, log: this.#log, signal: this.#cancelled.signal };
  }
}

/** The status of a dry run is made up. */
function withoutStatus(state: Properties): Properties {
  return Object.fromEntries(Object.entries(state).filter(([key]) => key !== "status"));
}
