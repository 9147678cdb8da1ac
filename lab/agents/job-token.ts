/** The init container that fetches a job acquisition token, as far as dispatcher and pod can see it. */
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { JOB_TOKEN_CONTAINER } from "../../components/contract";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { ObjectReader } from "../kubelet/keyed-objects";
import type { Pod } from "../kubelet/pod";
import { volumeFiles } from "../kubelet/volume-content";

/** The script's own limit, before it is scaled. */
const ASK_MS = 300_000;
const RETRIED = new Set([0, 408, 429]);

/** Whether the pod has such a container. */
export function needsJobToken(pod: Pod): boolean {
  return pod.spec.initContainers?.some(({ name }) => name === JOB_TOKEN_CONTAINER) === true;
}

/** Asks until there is a token; undefined where the dispatcher refuses one for good, or the time is over. */
export async function fetchJobToken(
  pod: Pod,
  client: KubernetesClient,
  timeScale: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const url = pod.spec.initContainers?.find(({ name }) => name === JOB_TOKEN_CONTAINER)?.args?.[0] ?? "";
  const volume = pod.spec.volumes?.find(({ projected }) =>
    projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken !== undefined),
  );
  if (volume === undefined) {
    return undefined;
  }
  const reader = new ObjectReader(client, pod.metadata.namespace, signal);
  const files = await volumeFiles(volume, pod, reader, client);
  const [token = "", ca = ""] = ["token", "ca.crt"].map((name) => files?.get(name)?.toString("utf8"));
  const deadline = Date.now() + ASK_MS / timeScale;
  for (let waitSeconds = 1; Date.now() < deadline; waitSeconds = Math.min(waitSeconds * 2, 15)) {
    const answer = await post(url, ca, token, signal).catch(() => ({ status: 0, text: "", retryAfter: undefined }));
    signal.throwIfAborted();
    if (answer.status === 200) {
      return answer.text;
    }
    if (!RETRIED.has(answer.status) && answer.status < 500) {
      return undefined;
    }
    const seconds = Math.max(Number(answer.retryAfter ?? 0), waitSeconds) * (1 + Math.random());
    await sleep((seconds * 1000) / timeScale, undefined, { signal });
  }
  return undefined;
}

function post(
  url: string,
  ca: string,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string; retryAfter: string | undefined }> {
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method: "POST", ca, agent: false, signal }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.once("error", reject).once("end", () => {
        resolve({ status: response.statusCode ?? 0, text, retryAfter: response.headers["retry-after"] });
      });
    });
    request.once("error", reject).end(body);
  });
}
