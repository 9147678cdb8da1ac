import { JOB_TOKEN_PATH } from "./contract";

/** Where a build's pod fetches its job acquisition token. */
export interface JobTokenSource {
  /** `https://` address of the dispatcher's port for it. */
  readonly url: string;
  /** ConfigMap of the agents' namespace whose key `ca.crt` is the certificate to trust, and no other. */
  readonly caConfigMap: string;
}

/** The Service for it: inside the cluster only, however webhooks arrive. */
export const JOB_TOKENS_SERVICE = "job-tokens";

/** The ConfigMap with the certificate; a fixed name, since pods that wait for a node refer to it. */
export const JOB_TOKENS_CONFIG_MAP = "buildkite-job-tokens";

/** DNS name of the dispatcher's Service for job acquisition tokens, from anywhere in the cluster. */
export function jobTokensHost(dispatcherNamespace: string): string {
  return `${JOB_TOKENS_SERVICE}.${dispatcherNamespace}.svc`;
}

/** What the templates of a stack are told, by the namespace of its dispatcher. */
export function jobTokenSourceOf(dispatcherNamespace: string): JobTokenSource {
  return {
    url: `https://${jobTokensHost(dispatcherNamespace)}${JOB_TOKEN_PATH}`,
    caConfigMap: JOB_TOKENS_CONFIG_MAP,
  };
}
