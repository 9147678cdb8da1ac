import assert from "node:assert/strict";
import { ACTIVE_DEADLINE_ANNOTATION } from "../../components/contract";
import { buildPodSpec } from "../../components/pod-spec";
import { isProduction, stackOf } from "../../policy/production";
import type { ReviewedResource, Rule } from "../../policy/rule";
import { RULES } from "../../policy/rules";
import { DEADLINE_ANNOTATION, dindDeadline } from "../../policy/rules/dind-deadline";
import { noDockerPort } from "../../policy/rules/no-docker-port";
import { pinnedImages } from "../../policy/rules/pinned-images";
import { isProduction as programSays } from "../../stack/production";
import { DIGEST, dindPod } from "../policy/dind-pod";
import { allows, refuses } from "../policy/verdicts";
import { resourceOf, resourcesOf } from "../support/manifests";

const ALL: readonly Rule[] = [...RULES, pinnedImages];

/** The rules that refuse one of the resources. */
function refusedBy(...resources: readonly ReviewedResource[]): string[] {
  return ALL.filter((rule) => resources.some((one) => rule.faultsOf(one).length > 0))
    .map(({ name }) => name)
    .sort();
}

describe("the policy pack's rules", () => {
  describe("on manifests after published examples", () => {
    const OPEN = ["dind-deadline", "dind-memory-limits", "dind-unix-socket-only", "no-docker-port", "pinned-images"];
    const without = (...names: string[]) => OPEN.filter((name) => !names.includes(name));
    for (const [file, expected] of Object.entries({
      "sidecar-tcp.yaml": OPEN,
      "sidecar-unix.yaml": without("no-docker-port"),
      "compose-tcp.yaml": OPEN,
      "compose-unix.yaml": without("no-docker-port"),
      // Kubernetes gives neither kind a deadline.
      "daemonset.yaml": without("dind-deadline"),
      "agent-chart.yaml": without("dind-deadline"),
      "shell-dind.yaml": without("no-docker-port"),
      "public-webhook.yaml": ["webhook-https-only"],
    })) {
      it(`refuse ${file}: ${expected.join(", ")}`, () => {
        assert.deepEqual(refusedBy(...resourcesOf(file)), expected);
      });
    }

    it("name each place of a Docker port", () => {
      const [daemonSet, service] = resourcesOf("daemonset.yaml");
      assert.ok(daemonSet && service);
      refuses(
        noDockerPort,
        daemonSet,
        /DaemonSet docker-dind: env DOCKER_HOST of container dind, containerPort of container dind\./,
      );
      refuses(noDockerPort, service, /Service docker-dind: port, targetPort\./);
    });
  });

  it("find nothing in this project's own pods, but for images without digest", () => {
    for (const sidecar of ["native", "shared-volume"] as const) {
      for (const innerCgroups of ["engine", "pod"] as const) {
        const spec = buildPodSpec({
          ...{ queue: "default", namespace: "agents", templateName: "default", sidecar, innerCgroups },
          agentToken: { secret: "token", key: "token" },
          registryMirrors: ["https://mirror.example"],
          resources: { agent: { cpu: "1", memory: "1Gi" }, dind: { cpu: "1", memory: "4Gi" } },
        });
        const template = { apiVersion: "v1", kind: "PodTemplate", metadata: { name: "default" }, template: { spec } };
        assert.deepEqual(refusedBy(resourceOf(template)), ["pinned-images"], `${sidecar}, ${innerCgroups}`);
      }
    }
  });

  it("dind-deadline: of the pod, of the Job, or the annotation the dispatcher reads", () => {
    assert.equal(DEADLINE_ANNOTATION, ACTIVE_DEADLINE_ANNOTATION);
    allows(dindDeadline, dindPod());
    const none = dindPod();
    const spec = { ...(none.props["spec"] as Record<string, unknown>) };
    delete spec["activeDeadlineSeconds"];
    refuses(
      dindDeadline,
      resourceOf({ apiVersion: "v1", kind: "Pod", metadata: { name: "build" }, spec }),
      /Pod build: spec\./,
    );
    const job = (more: object) =>
      resourceOf({
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name: "b" },
        spec: { template: { spec }, ...more },
      });
    refuses(dindDeadline, job({}), /Job b: spec\.activeDeadlineSeconds is missing/);
    allows(dindDeadline, job({ activeDeadlineSeconds: 60 }));
    const template = (annotations: object) =>
      resourceOf({
        apiVersion: "v1",
        kind: "PodTemplate",
        metadata: { name: "t", annotations } as never,
        template: { spec },
      });
    refuses(dindDeadline, template({}), /or annotation buildkite-scale-to-zero\/activeDeadlineSeconds\) is missing/);
    allows(dindDeadline, template({ [ACTIVE_DEADLINE_ANNOTATION]: "60" }));
  });

  it("pinned-images: a digest, with or without tag", () => {
    for (const image of [`docker:29-dind@${DIGEST}`, `docker@${DIGEST}`]) {
      allows(pinnedImages, dindPod({ image }));
    }
    for (const image of ["docker:29-dind", "docker", "docker:dind@sha256:12"]) {
      refuses(pinnedImages, dindPod({ image }), /an image without digest in container dind \(docker/);
    }
  });

  it("know a production stack by its name or its configuration, by name as the program does", () => {
    for (const name of ["prod", "production", "prod-eu", "dev", "product", "preprod", "my-prod"]) {
      assert.equal(isProduction(name), programSays(name, false), name);
    }
    assert.equal(stackOf("urn:pulumi:prod-eu::p::kubernetes:core/v1:Pod::x"), "prod-eu");
    assert.deepEqual(
      ["prod", "production", "prod-eu"].map((name) => isProduction(name)),
      [true, true, true],
    );
    assert.deepEqual(
      ["dev", "product", "preprod"].map((name) => isProduction(name)),
      [false, false, false],
    );
    assert.deepEqual(
      ["live", "prod"].map((name) => isProduction(name, ["live"])),
      [true, false],
    );
  });
});
