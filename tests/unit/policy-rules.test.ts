import assert from "node:assert/strict";
import { ACTIVE_DEADLINE_ANNOTATION } from "../../components/contract";
import { buildPodSpec } from "../../components/pod-spec";
import { ingressArgs, serviceArgs } from "../../components/webhook-service";
import { isProduction, stackOf } from "../../policy/production";
import type { ReviewedResource, Rule } from "../../policy/rule";
import { RULES } from "../../policy/rules";
import { agentsPoolTaint } from "../../policy/rules/agents-pool-taint";
import { DEADLINE_ANNOTATION, dindDeadline } from "../../policy/rules/dind-deadline";
import { dindMemory } from "../../policy/rules/dind-memory";
import { dindUnixSocket } from "../../policy/rules/dind-unix-socket";
import { noDockerPort } from "../../policy/rules/no-docker-port";
import { pinnedImages } from "../../policy/rules/pinned-images";
import { poolTotalLimits } from "../../policy/rules/pool-total-limits";
import { webhookHttps } from "../../policy/rules/webhook-https";
import { isProduction as programSays } from "../../stack/production";
import { resource, resourceOf, resourcesOf } from "../support/manifests";

const DIGEST = `sha256:${"0a".repeat(32)}`;
const ALL: readonly Rule[] = [...RULES, pinnedImages];

/** The rules that refuse one of the resources. */
function refusedBy(...resources: readonly ReviewedResource[]): string[] {
  return ALL.filter((rule) => resources.some((one) => rule.faultsOf(one).length > 0))
    .map(({ name }) => name)
    .sort();
}

function refuses(rule: Rule, one: ReviewedResource, expected: RegExp): void {
  const faults = rule.faultsOf(one);
  assert.equal(faults.length, 1, faults.join("\n"));
  assert.match(faults[0] ?? "", expected);
  assert.match(faults[0] ?? "", /Fix: /, "the fix is named");
}

function allows(rule: Rule, one: ReviewedResource): void {
  assert.deepEqual(rule.faultsOf(one), []);
}

const RESOURCES = { requests: { memory: "1Gi" }, limits: { memory: "1Gi" } };

/** A good pod of dind alone, with one thing changed. */
function dindPod(change: Record<string, unknown> = {}, spec: Record<string, unknown> = {}): ReviewedResource {
  const dind = {
    name: "dind",
    image: `docker:29.7.2-dind@${DIGEST}`,
    args: ["dockerd", "--host=unix:///run/dind/docker.sock"],
    resources: RESOURCES,
    ...change,
  };
  return resourceOf({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "build" },
    spec: { activeDeadlineSeconds: 3600, containers: [dind], ...spec },
  });
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

  describe("dind-unix-socket-only", () => {
    const START = "first argument is not dockerd, so the image's entrypoint adds --host=tcp://0.0.0.0";
    for (const [what, change] of Object.entries({
      "no arguments": { args: undefined },
      "an option as first argument": { args: ["--mtu=1400"] },
      "the entrypoint as command": { command: ["/usr/local/bin/dockerd-entrypoint.sh"], args: undefined },
      "a shell that calls it without arguments": { command: ["sh", "-c"], args: ["exec dockerd-entrypoint.sh"] },
      "a shell that passes on options": {
        command: ["/bin/sh", "-euc", 'dockerd-entrypoint.sh "$@"', "sh"],
        args: ["--host=unix:///run/dind/docker.sock"],
      },
    })) {
      it(`refuses ${what}`, () => {
        refuses(dindUnixSocket, dindPod(change), new RegExp(`container dind: its ${START}`));
      });
    }

    for (const args of [
      ["dockerd", "--host=tcp://127.0.0.1:1234"],
      ["dockerd", "--host", "tcp://127.0.0.1:1234"],
      ["dockerd", "-H", "tcp://127.0.0.1:1234"],
      ["dockerd", "-Htcp://127.0.0.1:1234"],
      ["dockerd", "--host=unix:///run/dind/docker.sock", "--host=0.0.0.0:1234"],
    ]) {
      it(`refuses ${args.join(" ")}`, () => {
        refuses(dindUnixSocket, dindPod({ args }), /container dind: dockerd is told to listen on /);
      });
    }

    it("refuses a TCP address in a script", () => {
      const command = ["sh", "-c", "dockerd --host=unix:///x.sock --host tcp://0.0.0.0:1234 & wait"];
      refuses(dindUnixSocket, dindPod({ command, args: undefined }), /told to listen on tcp:\/\//);
    });

    it("allows dockerd by itself, by the entrypoint, by a script, and an image of dind that runs something else", () => {
      for (const change of [
        { args: ["dockerd"] },
        { command: ["dockerd"], args: ["-H", "unix:///run/dind/docker.sock"] },
        { command: ["dockerd-entrypoint.sh"] },
        { command: ["sh", "-c", "dockerd-entrypoint.sh dockerd --host=unix:///run/dind/docker.sock & wait"], args: [] },
        { command: ["sleep", "infinity"], args: undefined },
      ]) {
        allows(dindUnixSocket, dindPod(change));
      }
    });

    it("knows dind by its image or its command, in a mirror, too", () => {
      for (const image of [
        "docker:dind",
        "registry.example:5000/library/docker:29-dind-rootless",
        "ci/dind:1",
        "dind",
      ]) {
        assert.equal(dindUnixSocket.faultsOf(dindPod({ image, args: undefined })).length, 1, image);
      }
      allows(dindUnixSocket, dindPod({ image: "docker:cli", args: undefined }));
      allows(dindUnixSocket, dindPod({ image: "example/dinder:1", args: undefined }));
      refuses(dindUnixSocket, dindPod({ image: "example/engine:1", args: ["dockerd", "-H=tcp://0.0.0.0:9"] }), /tcp:/);
    });
  });

  describe("no-docker-port", () => {
    for (const [where, change] of Object.entries({
      "args[1]": { args: ["dockerd", "--host=tcp://[::]:2376"] },
      "command[2]": { command: ["sh", "-c", "docker -H tcp://x:2375 info"], args: [] },
      "env PORT": { env: [{ name: "PORT", value: "2375" }] },
      hostPort: { ports: [{ hostPort: 2376 }] },
      "startupProbe.tcpSocket.port": { startupProbe: { tcpSocket: { port: "2375" } } },
    })) {
      it(`finds ${where}, and never shows a value`, () => {
        const [fault = ""] = noDockerPort.faultsOf(dindPod(change));
        assert.ok(fault.startsWith(`Pod build: ${where} of container dind.`), fault);
        assert.doesNotMatch(fault, /tcp:\/\/x|\[::\]/);
      });
    }

    it("finds a daemon.json", () => {
      const data = { "daemon.json": '{"hosts": ["unix:///x", "tcp://0.0.0.0:2375"]}' };
      const map = resourceOf({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "engine" }, data });
      refuses(noDockerPort, map, /ConfigMap engine: data\.daemon\.json\./);
    });

    it("leaves group ids and longer numbers alone", () => {
      allows(noDockerPort, dindPod({ args: ["dockerd", "--group=2375"], env: [{ name: "GID", value: "2375" }] }));
      allows(noDockerPort, dindPod({ args: ["dockerd", "--registry-mirror=http://mirror:23755"] }));
    });
  });

  it("dind-memory-limits: every container of such a pod, or the pod as a whole", () => {
    allows(dindMemory, dindPod());
    refuses(
      dindMemory,
      dindPod({ resources: { requests: { memory: "1Gi" } } }),
      /dind has no resources\.limits\.memory/,
    );
    refuses(dindMemory, dindPod({ resources: {} }), /no resources\.requests\.memory and no resources\.limits\.memory/);
    allows(dindMemory, dindPod({ resources: {} }, { resources: RESOURCES }));
    allows(dindMemory, dindPod({ image: "nginx", args: [], resources: {} }));
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

  describe("on node pools", () => {
    const TYPE = "gcp:container/nodePool:NodePool";
    const taints = [{ key: "buildkite", value: "agents", effect: "NO_SCHEDULE" }];

    it("pool-total-limits: refuses limits per zone, in a cluster's own pools, too", () => {
      allows(poolTotalLimits, resource(TYPE, "a", { autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: 4 } }));
      const perZone = { autoscaling: { minNodeCount: 0, maxNodeCount: 4 } };
      refuses(
        poolTotalLimits,
        resource(TYPE, "a", perZone),
        /NodePool a: autoscaling has minNodeCount and maxNodeCount/,
      );
      const cluster = resource("gcp:container/cluster:Cluster", "c", { nodePools: [{}, perZone] });
      refuses(poolTotalLimits, cluster, /Cluster c: nodePools\[1\]\.autoscaling has/);
    });

    it("agents-pool-taint: refuses an agents' pool that anything may land on", () => {
      const component = "buildkite-scale-to-zero:index:AgentNodePool$";
      refuses(agentsPoolTaint, resource(TYPE, "a", { nodeConfig: {} }, component), /has no taint of effect/);
      refuses(agentsPoolTaint, resource(TYPE, "buildkite", {}), /NodePool buildkite: nodeConfig\.taints/);
      const soft = { nodeConfig: { labels: { team: "buildkite-agents" }, taints: [{ effect: "PREFER_NO_SCHEDULE" }] } };
      refuses(agentsPoolTaint, resource(TYPE, "a", soft), /NO_SCHEDULE or NO_EXECUTE/);
      allows(agentsPoolTaint, resource(TYPE, "a", { nodeConfig: { taints } }, component));
      allows(agentsPoolTaint, resource(TYPE, "system", { nodeConfig: { labels: { pool: "system" } } }));
    });
  });

  describe("webhook-https-only", () => {
    const service = (annotations: Record<string, string>, spec: object) =>
      resource("kubernetes:core/v1:Service", "webhook", { metadata: { annotations }, spec });
    const ingress = (annotations: object, spec: object = {}) =>
      resource("kubernetes:networking.k8s.io/v1:Ingress", "webhook", { metadata: { annotations }, spec });

    it("allows every exposure of this project", () => {
      const exposures = [
        { type: "none" },
        { type: "load-balancer", internal: true },
        { type: "load-balancer", tls: { certificate: "c", key: "k" } },
        { type: "ingress", host: "h", address: "a", addressName: "a", certificateName: "c" },
      ] as const;
      for (const exposure of exposures) {
        const { annotations, spec } = serviceArgs(exposure, { app: "dispatcher" });
        allows(webhookHttps, service(annotations, spec));
        if (exposure.type === "ingress") {
          const args = ingressArgs(exposure, "dispatcher");
          allows(webhookHttps, ingress(args.annotations ?? {}, args.spec));
        }
      }
    });

    it("refuses a public LoadBalancer with plain HTTP, by port, name or protocol", () => {
      for (const port of [{ port: 80 }, { port: 9000, name: "http" }, { port: 9000, appProtocol: "http" }]) {
        refuses(
          webhookHttps,
          service({}, { type: "LoadBalancer", ports: [port] }),
          /public LoadBalancer with plain HTTP/,
        );
      }
      allows(webhookHttps, service({}, { type: "LoadBalancer", ports: [{ port: 8080, appProtocol: "https" }] }));
    });

    it("refuses an Ingress that listens on port 80, or has no certificate", () => {
      const cert = { "ingress.gcp.kubernetes.io/pre-shared-cert": "c" };
      const off = { "kubernetes.io/ingress.allow-http": "false" };
      refuses(webhookHttps, ingress(cert), /allow-http is not "false"/);
      refuses(webhookHttps, ingress(off), /it has no certificate/);
      allows(webhookHttps, ingress(off, { tls: [{ secretName: "t" }] }));
      allows(webhookHttps, ingress({}, { ingressClassName: "gce-internal" }));
      allows(webhookHttps, ingress({}, { ingressClassName: "nginx", tls: [{ secretName: "t" }] }));
      refuses(webhookHttps, ingress({}, { ingressClassName: "nginx" }), /it has no certificate/);
    });
  });
});
