import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { only, type Registration, registrationsOf } from "../support/mocks";

const OWN = "buildkite-scale-to-zero:";
const BINDINGS = ["default-binding", "gpu-binding"];

/** What the stack file would hold; kubeconfig and context besides. */
const STACK = {
  target: "local",
  maxNodes: "1",
  context: "somewhere",
  queues: JSON.stringify([{ key: "default", default: true }, { key: "gpu" }]),
  agentToken: "bkct_of-the-tests-0123456789",
  webhookSecret: "hook-of-the-tests-0123456789",
};

describe("the program, with two queues", () => {
  let folder: string;
  let registrations: Registration[];
  /** The bindings of templates that were there when the policy that knows their names was asked for. */
  let boundBefore: string[] | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
    const kubeconfig = join(folder, "kubeconfig");
    await writeFile(kubeconfig, `contexts: [{ name: ${STACK.context} }]\n`);
    pulumi.runtime.setAllConfig(
      Object.fromEntries(Object.entries({ ...STACK, kubeconfig }).map(([key, value]) => [`${OWN}${key}`, value])),
      [`${OWN}agentToken`, `${OWN}webhookSecret`],
    );
    const bound: string[] = [];
    registrations = await registrationsOf(() => import("../../index.js"), {
      creating: async (name) => {
        if (name === "dispatcher-known-templates") {
          boundBefore = bound.toSorted();
        }
        if (BINDINGS.includes(name)) {
          await sleep(100);
          bound.push(name);
        }
      },
    });
  });

  after(async () => {
    pulumi.runtime.setAllConfig({});
    await rm(folder, { recursive: true, force: true });
  });

  it("lets Jobs of a template in only when that template's own policy is bound", () => {
    assert.deepEqual(boundBefore, BINDINGS);
  });

  it("gives the dispatcher its rights only when the policy that keeps them in bounds is bound", () => {
    const { dependencies } = only(
      registrations,
      "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
      "dispatcher-role-binding",
    );
    assert.ok(
      dependencies.some((urn) => urn.endsWith("::dispatcher-known-templates-binding")),
      dependencies.join(),
    );
  });

  it("has the dispatcher depend on those bindings, so that its rights are gone before they are", () => {
    const { dependencies } = only(registrations, "buildkite-scale-to-zero:index:WebhookDispatcher");
    const names = dependencies.map((urn) => urn.split("::").at(-1) ?? "");
    assert.deepEqual(names.filter((name) => BINDINGS.includes(name)).toSorted(), BINDINGS);
  });
});
