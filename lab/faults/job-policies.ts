import { setTimeout as sleep } from "node:timers/promises";
import {
  knownTemplateBindingSpec,
  knownTemplatePolicySpec,
  templateBindingSpec,
  templatePolicySpec,
} from "../../components/job-policy";
import { stamp, type JobManifest } from "../../components/stamp";
import { templateWatchBindingSpec, templateWatchPolicySpec } from "../../components/template-watch";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { KubernetesSide } from "./kubernetes-side";

const API = "/apis/admissionregistration.k8s.io/v1";
const POLICIES = `${API}/validatingadmissionpolicies`;
const BINDINGS = `${API}/validatingadmissionpolicybindings`;
const SOME_UUID = "11111111-2222-4333-8444-555555555555";

/** The stack's admission policies on the row's namespace. */
export interface JobPolicies {
  /** What the API server says to this Job (a dry run: nothing is made); undefined where it takes it. */
  refusal(manifest: JobManifest): Promise<string | undefined>;
  remove(): Promise<void>;
}

/** Keeps the API server's watch of PodTemplates going from row to row, as a stack's own pair does in a real cluster. */
export async function watchTemplates(admin: KubernetesClient): Promise<void> {
  const metadata = { name: "faults-template-watch" };
  await admin.request("POST", POLICIES, { body: { metadata, spec: templateWatchPolicySpec() } });
  await admin.request("POST", BINDINGS, { body: { metadata, spec: templateWatchBindingSpec(metadata.name) } });
}

/**
 * Creates the policies as the stack declares them, and waits until they are in force.
 *
 * @param template the one that Jobs name.
 * @param pinnedTo the PodTemplate that they must equal: the same one in a real stack.
 */
export async function createJobPolicies(
  { admin, agents }: KubernetesSide,
  template: string,
  pinnedTo: string,
  signal: AbortSignal,
): Promise<JobPolicies> {
  const { namespace } = agents;
  const [ofTemplate, known] = [`${namespace}-template`, `${namespace}-known`];
  const created: string[] = [];
  const create = async (collection: string, name: string, spec: unknown): Promise<void> => {
    await admin.request("POST", collection, {
      body: { metadata: { name }, spec },
      query: { fieldValidation: "Strict" },
    });
    created.unshift(`${collection}/${name}`);
  };
  const remove = async (): Promise<void> => {
    for (const path of created.splice(0)) {
      await admin.request("DELETE", path);
    }
  };
  const refusal = (manifest: JobManifest): Promise<string | undefined> => refusalOf(admin, agents.jobsPath, manifest);
  try {
    await create(POLICIES, ofTemplate, templatePolicySpec());
    await create(BINDINGS, ofTemplate, {
      ...templateBindingSpec(ofTemplate, namespace, template),
      paramRef: { name: pinnedTo, namespace, parameterNotFoundAction: "Deny" },
    });
    await create(POLICIES, known, knownTemplatePolicySpec([template]));
    await create(BINDINGS, known, knownTemplateBindingSpec(known, namespace));
    const honest = stamp(agents.template, { uuid: SOME_UUID, queue: template, pipeline: "web" });
    const dishonest = { ...honest, spec: { ...honest.spec, backoffLimit: 6 } };
    const unknown = { ...honest, metadata: { ...honest.metadata, labels: {} } };
    // The API server hears of policies and their parameters through watches of its own.
    while (
      (await refusal(honest)) !== undefined ||
      (await refusal(dishonest)) === undefined ||
      (await refusal(unknown)) === undefined
    ) {
      await sleep(100, undefined, { signal });
    }
    return { refusal, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function refusalOf(
  admin: KubernetesClient,
  jobsPath: string,
  manifest: JobManifest,
): Promise<string | undefined> {
  try {
    await admin.request("POST", jobsPath, { body: manifest, query: { dryRun: "All" } });
    return undefined;
  } catch (error) {
    if (error instanceof KubernetesError) {
      return error.message;
    }
    throw error;
  }
}
