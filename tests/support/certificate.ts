import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runChild } from "../../lab/parts/child";

/** A certificate that signs itself, in files of these paths. */
export interface SelfSigned {
  readonly certPath: string;
  readonly certPem: string;
  readonly keyPem: string;
}

export const WHY_NO_CERTIFICATE = "a certificate is made with openssl, which is not on PATH or fails";

/** Makes a certificate for a day (EC P-256) in `folder`. @returns undefined where there is no openssl. */
export async function selfSigned(folder: string): Promise<SelfSigned | undefined> {
  const [certPath, keyPath] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const made = await runChild("openssl", [
    ...["req", "-x509", ...curve, "-subj", "/CN=tests", "-days", "1", "-keyout", keyPath, "-out", certPath],
  ]).catch(() => undefined);
  if (made?.code !== 0) return undefined;
  const [certPem, keyPem] = await Promise.all([readFile(certPath, "utf8"), readFile(keyPath, "utf8")]);
  return { certPath, certPem, keyPem };
}
