import {
  JOB_TOKEN_AUDIENCE,
  JOB_UUID,
  jobName,
  MANAGED_BY_LABEL,
  PROJECT,
  UUID_PATTERN,
} from "../../components/contract";
import type { AgentsNamespace } from "../agents-namespace";
import { fieldsOf } from "../fields";
import { isDecided } from "../judge";
import type { ObjectMeta } from "../kubernetes/objects";
import { messageOf } from "../log";
import type { Refusal } from "./refusal";

/** A pod that has proved to be one of a live Job of ours, and has not begun to run its agent. */
export interface Caller {
  readonly podName: string;
  readonly podUid: string;
  /** Of the Buildkite job that its Job was made for. */
  readonly uuid: string;
}

export interface CallersOptions {
  api: Pick<AgentsNamespace, "reviewToken" | "readWholePod" | "readJob">;
  /** Of the agents. */
  namespace: string;
}

const UUID = new RegExp(UUID_PATTERN);
const WHEN_API_SERVER_IS_AWAY = 5;

/** Finds out whose a service account token is. Everything is read live, and what cannot be read is a no. */
export class Callers {
  readonly #options: CallersOptions;

  constructor(options: CallersOptions) {
    this.#options = options;
  }

  /** Never throws but for the signal. */
  async identify(token: string, signal: AbortSignal): Promise<Caller | Refusal> {
    try {
      return await this.#identify(token, signal);
    } catch (error) {
      signal.throwIfAborted();
      return { refused: "cannot_check", retryAfterSeconds: WHEN_API_SERVER_IS_AWAY, detail: messageOf(error) };
    }
  }

  async #identify(token: string, signal: AbortSignal): Promise<Caller | Refusal> {
    const { api, namespace } = this.#options;
    const status = await api.reviewToken(token, JOB_TOKEN_AUDIENCE, signal);
    const { username, extra } = fieldsOf(status["user"]);
    const audiences = status["audiences"];
    // An API server that knows no audiences would accept a token for anybody.
    const isForUs = Array.isArray(audiences) && audiences.includes(JOB_TOKEN_AUDIENCE);
    if (status["authenticated"] !== true || !isForUs || typeof username !== "string") {
      return { refused: "not_authenticated" };
    }
    const podName = only(fieldsOf(extra)["authentication.kubernetes.io/pod-name"]);
    const podUid = only(fieldsOf(extra)["authentication.kubernetes.io/pod-uid"]);
    if (!username.startsWith(`system:serviceaccount:${namespace}:`) || podName === undefined || podUid === undefined) {
      return { refused: "pod_not_ours", detail: "the token is not bound to a pod of the agents' namespace" };
    }
    const pod = await api.readWholePod(podName, signal);
    if (pod?.metadata.uid !== podUid || pod.metadata.deletionTimestamp !== undefined) {
      return { refused: "no_such_pod" };
    }
    if (pod.status?.phase !== "Pending") {
      return { refused: "pod_not_starting" };
    }
    const owner = pod.metadata.ownerReferences?.find(({ kind, controller }) => kind === "Job" && controller === true);
    const uuid = uuidOf(pod.metadata);
    if (owner === undefined || uuid === undefined) {
      return { refused: "pod_not_ours", detail: "it has no Job, or not our labels" };
    }
    const job = await api.readJob(owner.name, signal);
    const isIts = job?.metadata.uid === owner.uid && owner.name === jobName(uuid) && uuidOf(job.metadata) === uuid;
    if (!isIts || job.metadata.deletionTimestamp !== undefined || isDecided(job)) {
      return { refused: "job_not_ours" };
    }
    return { podName, podUid, uuid };
  }
}

/** The Buildkite job of one of our objects: label and annotation agree. */
function uuidOf({ labels = {}, annotations = {} }: ObjectMeta): string | undefined {
  const uuid = annotations[JOB_UUID];
  const isOurs = labels[MANAGED_BY_LABEL] === PROJECT && labels[JOB_UUID] === uuid;
  return isOurs && uuid !== undefined && UUID.test(uuid) ? uuid : undefined;
}

function only(value: unknown): string | undefined {
  const [first, second] = Array.isArray(value) ? (value as unknown[]) : [];
  return typeof first === "string" && second === undefined ? first : undefined;
}
