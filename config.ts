import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { contradictions } from "./stack/config-contradictions";
import { faultsOf, isSecret, misplacedSecret } from "./stack/config-faults";
import { PUBLIC_KEYS, SECRET_KEYS, type StackValues, TABLE } from "./stack/config-table";

/** A stack's configuration, read and checked once. Secrets are Outputs that stay secret. */
export interface Configuration extends Omit<StackValues, (typeof SECRET_KEYS)[number]> {
  readonly stack: string;
  /** `gcp:project`; empty for target local. */
  readonly project: string;
  readonly dispatcherNamespace: string;
  readonly agentsNamespace: string;
  readonly queues: NonNullable<StackValues["queues"]>;
  readonly agentToken: pulumi.Output<string>;
  readonly webhookSecret: pulumi.Output<string>;
  readonly previousWebhookSecret?: pulumi.Output<string>;
  readonly gitHttpsCredentials?: pulumi.Output<string>;
  readonly gitSshKey?: pulumi.Output<string>;
  readonly tlsKey?: pulumi.Output<string>;
}

/**
 * Reads the stack's configuration.
 *
 * @throws pulumi.RunError that lists every fault (key, rule, value, fix) before anything is created. A secret's value
 * is never part of the text.
 */
export function readConfiguration(): Configuration {
  const stack = pulumi.getStack();
  const config = new pulumi.Config();
  const project = new pulumi.Config("gcp").get("project");
  const own = ownKeys(config.name, pulumi.runtime.allConfig());
  const encrypted = Object.keys(own).filter((key) => isConfigSecret(`${config.name}:${key}`));
  const { values, faults } = parse(own, stack, project, encrypted);
  if (values === undefined || faults.length > 0) {
    throw new pulumi.RunError(
      `The configuration of stack ${stack} (Pulumi.${stack}.yaml) has ${faults.length === 1 ? "a fault" : `${faults.length} faults`}:\n` +
        faults.map((fault) => `  - ${fault}`).join("\n"),
    );
  }
  const secret = (key: (typeof SECRET_KEYS)[number]) =>
    values[key] === undefined ? undefined : config.requireSecret(key);
  return {
    ...values,
    stack,
    project: project ?? "",
    queues: values.queues ?? [{ key: "default", default: true }],
    dispatcherNamespace: values.dispatcherNamespace ?? `buildkite-${stack}-dispatcher`,
    agentsNamespace: values.agentsNamespace ?? `buildkite-${stack}-agents`,
    agentToken: config.requireSecret("agentToken"),
    webhookSecret: config.requireSecret("webhookSecret"),
    previousWebhookSecret: secret("previousWebhookSecret"),
    gitHttpsCredentials: secret("gitHttpsCredentials"),
    gitSshKey: secret("gitSshKey"),
    tlsKey: secret("tlsKey"),
  };
}

/** Pulumi's own, missing in its declarations: whether a key is a secret, or has one anywhere inside it. */
function isConfigSecret(key: string): boolean {
  return (pulumi.runtime as unknown as { isConfigSecret(key: string): boolean }).isConfigSecret(key);
}

/** The keys of the project's own namespace, without it; other namespaces belong to the providers. */
function ownKeys(project: string, all: Readonly<Record<string, string>>): Record<string, string> {
  const prefix = `${project}:`;
  return Object.fromEntries(
    Object.entries(all)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
}

/**
 * Checks the raw texts of a stack against the table and the rules between keys. Pure, for the tests.
 *
 * @param encrypted the keys that the stack file holds encrypted, wholly or in part: no value of theirs is ever shown.
 * @returns the typed values, or every fault in words.
 */
export function parse(
  raw: Readonly<Record<string, string>>,
  stack: string,
  project: string | undefined,
  encrypted: readonly string[] = [],
): { values?: StackValues; faults: string[] } {
  const typed = Object.fromEntries(Object.entries(raw).map(([key, text]) => [key, fromText(key, text)]));
  // No Outputs are made of these: they would stand in clear in the state, and in messages.
  const misplaced = Object.keys(TABLE.shape).filter(
    (key) => encrypted.includes(key) && !isSecret([key]) && !PUBLIC_KEYS.includes(key),
  );
  const result = TABLE.safeParse(typed);
  if (!result.success || misplaced.length > 0) {
    const issues = (result.error?.issues ?? []).filter(({ path: [key] }) => !misplaced.includes(String(key)));
    return { faults: [...misplaced.map(misplacedSecret), ...issues.flatMap((issue) => faultsOf(issue, typed))] };
  }
  const faults = contradictions(result.data, stack, project);
  return faults.length === 0 ? { values: result.data, faults } : { faults };
}

/** Pulumi hands every value over as text; the table says which of them are numbers, switches and structures. */
function fromText(key: string, text: string): unknown {
  const schema = key in TABLE.shape ? (TABLE.shape as Record<string, z.ZodType>)[key] : undefined;
  if (schema === undefined || schema.safeParse(text).success) {
    return text;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
