import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";

/** What keeps a certificate and its key from serving HTTPS: the one at fault, and the rule in words. */
export interface TlsPairFault {
  readonly field: "certificate" | "key";
  /** Holds nothing of the key. */
  readonly reason: string;
}

/**
 * Whether the dispatcher could serve HTTPS with these two. Asked before they reach the Secret: its running pods take up
 * what is there, and new ones do not start with a pair that Node refuses.
 *
 * @param certificate PEM: the certificate and what leads from it to its authority.
 * @param key PEM, without a passphrase.
 */
export function tlsPairFault(certificate: string, key: string): TlsPairFault | undefined {
  const first = attempt(() => new X509Certificate(certificate));
  if (first.value === undefined) {
    return { field: "certificate", reason: `must be a PEM certificate with its chain (${first.code})` };
  }
  const privateKey = attempt(() => createPrivateKey(key));
  if (privateKey.value === undefined) {
    return { field: "key", reason: `must be a PEM private key without a passphrase (${privateKey.code})` };
  }
  if (!first.value.checkPrivateKey(privateKey.value)) {
    return {
      field: "key",
      reason: "must be the key of the certificate that stands first in the PEM, before those of its authorities",
    };
  }
  // As the dispatcher does it: the rest of the chain is read, and what TLS finds too weak is refused.
  const served = attempt(() => createSecureContext({ cert: certificate, key }));
  return served.value === undefined
    ? { field: "certificate", reason: `must be a PEM certificate with its chain that TLS accepts (${served.code})` }
    : undefined;
}

/** OpenSSL's code says what is wrong; its words might quote what it read. */
function attempt<T>(make: () => T): { readonly value?: T; readonly code: string } {
  try {
    return { value: make(), code: "" };
  } catch (error) {
    return { code: (error as { code?: string }).code ?? "unreadable" };
  }
}
