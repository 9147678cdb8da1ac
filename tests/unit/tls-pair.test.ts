import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { jobTokensCertificate } from "../../components/job-tokens-certificate";
import { tlsPairFault } from "../../components/tls-pair";

describe("a certificate and its key", () => {
  const one = jobTokensCertificate("one", "builds.example.com");
  const other = jobTokensCertificate("other", "builds.example.com");

  it("belong together, with the chain behind the certificate and words before it", () => {
    assert.equal(tlsPairFault(one.certificate, one.key), undefined);
    const text = `subject=CN = builds.example.com\n${one.certificate}${other.certificate}`;
    assert.equal(tlsPairFault(text, `${one.key}\n`), undefined);
  });

  const locked = createPrivateKey(one.key).export({
    format: "pem",
    type: "pkcs8",
    cipher: "aes-256-cbc",
    passphrase: "p",
  });
  const [head = ""] = one.certificate.split("\n");
  const cases: [string, string, string, "certificate" | "key", RegExp][] = [
    [
      "the key of another certificate",
      one.certificate,
      other.key,
      "key",
      /^must be the key of the certificate that stands first/,
    ],
    [
      "a chain that begins at its end",
      other.certificate + one.certificate,
      one.key,
      "key",
      /that stands first in the PEM/,
    ],
    ["a certificate that is none", "pem", one.key, "certificate", /^must be a PEM certificate/],
    ["a certificate without an end", `${head}\nabcd`, one.key, "certificate", /^must be a PEM certificate/],
    [
      "a key that is none",
      one.certificate,
      "a-tls-key-of-the-tests",
      "key",
      /^must be a PEM private key without a passphrase/,
    ],
    [
      "a key under a passphrase",
      one.certificate,
      String(locked),
      "key",
      /^must be a PEM private key without a passphrase/,
    ],
    ["the two the wrong way round", one.key, one.certificate, "certificate", /^must be a PEM certificate/],
    [
      "a chain that breaks off",
      `${one.certificate}-----BEGIN CERTIFICATE-----\nabcd\n-----END CERTIFICATE-----\n`,
      one.key,
      "certificate",
      /^must be a PEM certificate with its chain .*ERR_/,
    ],
  ];
  for (const [what, certificate, key, field, words] of cases) {
    it(`are refused as ${what}, and the words hold nothing of the key`, () => {
      const fault = tlsPairFault(certificate, key);
      assert.equal(fault?.field, field);
      assert.match(fault.reason, words);
      for (const line of key.split("\n").filter((part) => part.length > 4 && !part.startsWith("-----"))) {
        assert.ok(!fault.reason.includes(line));
      }
    });
  }
});
