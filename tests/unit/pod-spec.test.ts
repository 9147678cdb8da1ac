import assert from "node:assert/strict";
import type { DindJobTemplateArgs } from "../../components";
import { buildPodSpec, gracePeriods } from "../../components/pod-spec";
import { LIFELINE_PATH } from "../../components/sidecar-scripts";

const ARGS: DindJobTemplateArgs = {
  namespace: "agents",
  templateName: "default",
  queue: "default",
  agentToken: { secret: "token", key: "token" },
  resources: {
    agent: { cpu: "500m", memory: "1Gi" },
    dind: { cpu: "1", memory: "4Gi", ephemeralStorage: "10Gi" },
  },
};

interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  restartPolicy?: string;
  env: { name: string; value?: string; valueFrom?: unknown }[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  securityContext: Record<string, unknown>;
  startupProbe?: Record<string, unknown>;
  resources: unknown;
  lifecycle?: unknown;
}

function podOf(args: Partial<DindJobTemplateArgs> = {}) {
  const spec = buildPodSpec({ ...ARGS, ...args }) as unknown as Record<string, unknown> & {
    initContainers: Container[];
    containers: Container[];
    volumes: { name: string }[];
  };
  const [dind] = spec.initContainers;
  const [agent] = spec.containers;
  assert.ok(dind !== undefined && agent !== undefined);
  return { spec, dind, agent };
}

function env(container: Container, name: string): unknown {
  const found = container.env.filter((variable) => variable.name === name);
  assert.ok(found.length <= 1, `${name} stands once`);
  return found[0]?.value ?? found[0]?.valueFrom;
}

describe("the pod of a build", () => {
  it("runs dind as a native sidecar that the kubelet starts first, gates on docker info and stops last", () => {
    const { spec, dind } = podOf();
    assert.equal(spec.initContainers.length, 1);
    assert.equal(spec.containers.length, 1);
    assert.equal(dind.restartPolicy, "Always");
    const { exec, ...budget } = dind.startupProbe as { exec: { command: string[] } };
    assert.match(exec.command.at(-1) ?? "", /^until docker info /);
    assert.deepEqual(budget, { periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 24 });
    assert.ok(budget.timeoutSeconds * budget.failureThreshold >= 120, "a loaded node needs more than a minute");
  });

  it("lets dockerd listen on a unix socket only, through the image's own entrypoint", () => {
    const { dind } = podOf();
    assert.equal(dind.args?.[0], "dockerd", "else the entrypoint adds a TCP listener");
    assert.equal(dind.args[1], "--host=unix:///run/dind/docker.sock");
    assert.doesNotMatch(JSON.stringify(dind), /tcp:|2375\/|2376|0\.0\.0\.0/);
    assert.match(dind.command?.[2] ?? "", /^TINI_SUBREAPER=1 dockerd-entrypoint\.sh "\$@" &$/m);
    assert.match(dind.command?.[2] ?? "", /^trap leave TERM$/m, "the first process hears the kubelet");
  });

  it("takes the MTU from the pod's interface for the default bridge and for user networks", () => {
    const script = podOf().dind.command?.[2] ?? "";
    assert.match(script, /mtu=\$\(cat \/sys\/class\/net\/eth0\/mtu\)/);
    assert.match(script, /--mtu="\$mtu"/);
    assert.match(script, /--default-network-opt="bridge=com\.docker\.network\.driver\.mtu=\$mtu"/);
  });

  it("keeps the agent image's entrypoint: args, never a command", () => {
    const { agent } = podOf();
    assert.equal(agent.command, undefined);
    assert.deepEqual(agent.args, ["start"]);
    assert.deepEqual(agent.lifecycle, { preStop: { exec: { command: ["/bin/sh", "-c", "kill -QUIT 1"] } } });
  });

  it("acquires by default exactly the job of its annotation, so that every pod spec is the same", () => {
    const { agent } = podOf();
    assert.deepEqual(env(agent, "BUILDKITE_AGENT_ACQUIRE_JOB"), {
      fieldRef: { fieldPath: "metadata.annotations['buildkite.com/job-uuid']" },
    });
    assert.equal(env(agent, "BUILDKITE_AGENT_DISCONNECT_AFTER_JOB"), undefined);
    assert.deepEqual(podOf().spec, podOf().spec);
  });

  it("takes any job of the queue in queue mode, and leaves after 50 s without one, as in the post", () => {
    const { agent } = podOf({ agentMode: "queue" });
    assert.equal(env(agent, "BUILDKITE_AGENT_DISCONNECT_AFTER_JOB"), "true");
    assert.equal(env(agent, "BUILDKITE_AGENT_DISCONNECT_AFTER_IDLE_TIMEOUT"), "50");
    assert.equal(env(agent, "BUILDKITE_AGENT_ACQUIRE_JOB"), undefined);
  });

  it("sets what keeps a one-shot agent from hanging, and its queue in one place only", () => {
    const { agent } = podOf({ tags: { docker: "true" } });
    assert.equal(env(agent, "BUILDKITE_AGENT_PING_MODE"), "poll-only");
    assert.equal(env(agent, "BUILDKITE_AGENT_TAGS"), "docker=true,queue=default");
    assert.equal(env(agent, "BUILDKITE_AGENT_QUEUE"), undefined);
    assert.equal(env(agent, "BUILDKITE_KUBERNETES_EXEC"), undefined);
  });

  it("mounts builds at the same path in both containers, and Docker's graph on a volume with a limit", () => {
    const { spec, dind, agent } = podOf();
    const builds = (container: Container) => container.volumeMounts.find(({ name }) => name === "builds")?.mountPath;
    assert.equal(builds(agent), "/buildkite/builds");
    assert.equal(builds(dind), builds(agent));
    assert.equal(dind.volumeMounts.find(({ name }) => name === "docker-graph")?.mountPath, "/var/lib/docker");
    assert.deepEqual(
      spec.volumes.find(({ name }) => name === "docker-graph"),
      { name: "docker-graph", emptyDir: { sizeLimit: "50Gi" } },
    );
  });

  it("lets Docker's graph and the checkout grow to what their containers ask for, and to what the stack says", () => {
    const limits = (args: Partial<DindJobTemplateArgs>) =>
      (podOf(args).spec.volumes as { name: string; emptyDir?: { sizeLimit: string } }[])
        .filter(({ name }) => name === "builds" || name === "docker-graph")
        .map(({ emptyDir }) => emptyDir?.sizeLimit);
    const asking = (agent: string | undefined, dind: string | undefined) => ({
      resources: {
        agent: { cpu: "1", memory: "1Gi", ephemeralStorage: agent },
        dind: { cpu: "1", memory: "1Gi", ephemeralStorage: dind },
      },
    });
    assert.deepEqual(limits(asking(undefined, undefined)), ["20Gi", "50Gi"]);
    assert.deepEqual(limits(asking("10Gi", "49Gi")), ["20Gi", "50Gi"]);
    // 50Gi are 53.7G.
    assert.deepEqual(limits(asking("21474836481", "53G")), ["21474836481", "50Gi"]);
    assert.deepEqual(limits(asking("0.5Ti", "60Gi")), ["0.5Ti", "60Gi"]);
    const said = { buildsSizeLimit: "5Gi", dockerGraphSizeLimit: "30Gi" };
    assert.deepEqual(limits({ ...asking("40Gi", "60Gi"), ...said }), ["5Gi", "30Gi"]);
  });

  it("gives build code no service account token, no shared process namespace and no host namespace", () => {
    const { spec, dind, agent } = podOf();
    assert.equal(spec["automountServiceAccountToken"], false);
    for (const key of ["shareProcessNamespace", "hostNetwork", "hostPID", "hostIPC"]) {
      assert.equal(spec[key], undefined);
    }
    assert.deepEqual(dind.securityContext, { privileged: true });
    assert.equal(agent.securityContext["privileged"], undefined);
    assert.equal(spec["restartPolicy"], "Never");
  });

  it("shows the agent token to the agent only", () => {
    const { dind, agent } = podOf();
    assert.deepEqual(env(agent, "BUILDKITE_AGENT_TOKEN"), { secretKeyRef: { name: "token", key: "token" } });
    assert.doesNotMatch(JSON.stringify(dind), /secretKeyRef|TOKEN/);
  });

  it("derives the agent's and dockerd's limits from the grace period, within Spot's 15 s", () => {
    for (const pod of [15, 30, 60, 3600]) {
      const { cancel, innerStop } = gracePeriods(pod);
      assert.ok(cancel >= 2 && cancel + 1 + innerStop <= Math.min(pod, 15), `${pod}: ${cancel} + 1 + ${innerStop}`);
    }
    const { dind, agent, spec } = podOf({ terminationGracePeriodSeconds: 30 });
    assert.equal(spec["terminationGracePeriodSeconds"], 30);
    assert.equal(env(agent, "BUILDKITE_CANCEL_GRACE_PERIOD"), "8");
    assert.match(dind.command?.[2] ?? "", /docker stop -t 5 /);
  });

  it("asks for what it uses: requests with memory as limit, ephemeral storage for Docker's graph", () => {
    const { dind } = podOf();
    assert.deepEqual(dind.resources, {
      requests: { cpu: "1", memory: "4Gi", "ephemeral-storage": "10Gi" },
      limits: { memory: "4Gi" },
    });
  });

  it("lets git read HTTPS credentials from a file, never from an argument", () => {
    const { spec, agent } = podOf({ gitCredentials: { type: "https", secret: "git" } });
    assert.equal(env(agent, "GIT_CONFIG_VALUE_0"), "store --file=/buildkite/git/credentials");
    assert.deepEqual(
      spec.volumes.find(({ name }) => name === "git"),
      {
        name: "git",
        secret: { secretName: "git", defaultMode: 0o400, items: [{ key: ".git-credentials", path: "credentials" }] },
      },
    );
  });

  it("refuses unknown hosts over SSH when known_hosts are given", () => {
    const trusting = podOf({ gitCredentials: { type: "ssh", secret: "git" } }).agent;
    assert.equal(env(trusting, "GIT_SSH_COMMAND"), "ssh -i /buildkite/git/identity -o IdentitiesOnly=yes");
    const strict = podOf({ gitCredentials: { type: "ssh", secret: "git", knownHostsKey: "known_hosts" } }).agent;
    assert.match(String(env(strict, "GIT_SSH_COMMAND")), /StrictHostKeyChecking=yes/);
    assert.equal(env(strict, "BUILDKITE_NO_SSH_KEYSCAN"), "true");
  });

  it("passes on what a real build needs, independent of the order it was written in", () => {
    const needs: Partial<DindJobTemplateArgs> = {
      env: { B: "2", A: "1" },
      secretEnv: { NPM_TOKEN: { secret: "npm", key: "token" } },
      hooksConfigMap: "hooks",
      volumes: [{ volume: { name: "cache", emptyDir: {} }, mountPath: "/cache" }],
      imagePullSecrets: ["pull"],
      serviceAccountName: "builder",
      registryMirrors: ["https://mirror.gcr.io"],
      defaultAddressPools: [{ base: "10.200.0.0/16", size: 24 }],
      nodeSelector: { "buildkite-scale-to-zero/pool": "agents" },
      tolerations: [{ key: "buildkite-scale-to-zero/pool", operator: "Equal", value: "agents", effect: "NoSchedule" }],
    };
    const { spec, dind, agent } = podOf(needs);
    assert.deepEqual(spec, podOf({ ...needs, env: { A: "1", B: "2" } }).spec);
    assert.equal(env(agent, "A"), "1");
    assert.deepEqual(env(agent, "NPM_TOKEN"), { secretKeyRef: { name: "npm", key: "token" } });
    assert.equal(env(agent, "BUILDKITE_HOOKS_PATH"), "/buildkite/hooks");
    for (const container of [dind, agent]) {
      assert.equal(container.volumeMounts.find(({ name }) => name === "cache")?.mountPath, "/cache");
    }
    const args = dind.args ?? [];
    assert.ok(args.includes("--registry-mirror=https://mirror.gcr.io"));
    assert.ok(args.includes("--default-address-pool=base=10.200.0.0/16,size=24"));
    assert.deepEqual(spec["imagePullSecrets"], [{ name: "pull" }]);
    assert.equal(spec["serviceAccountName"], "builder");
  });

  describe("with sidecar: shared-volume", () => {
    const pod = buildPodSpec({ ...ARGS, sidecar: "shared-volume" }) as unknown as {
      initContainers?: Container[];
      containers: Container[];
      volumes: { name: string }[];
    };
    const [dind, agent] = pod.containers;
    assert.ok(dind !== undefined && agent !== undefined);

    it("has two plain containers and a volume that dind cannot write to", () => {
      assert.equal(pod.initContainers, undefined);
      assert.deepEqual([dind.name, agent.name], ["dind", "agent"]);
      assert.deepEqual([dind.restartPolicy, dind.startupProbe], [undefined, undefined]);
      const lifeline = { name: "lifeline", mountPath: LIFELINE_PATH };
      assert.deepEqual(dind.volumeMounts.at(-1), { ...lifeline, readOnly: true });
      assert.deepEqual(agent.volumeMounts.at(-1), lifeline);
      assert.ok(pod.volumes.some(({ name }) => name === "lifeline"));
    });

    it("ends both scripts in the official entrypoints, the agent's without a shell left over", () => {
      assert.match(agent.command?.[2] ?? "", /^exec buildkite-agent-entrypoint "\$@"$/m);
      assert.deepEqual(agent.args, ["start"]);
      assert.match(dind.command?.[2] ?? "", /^TINI_SUBREAPER=1 dockerd-entrypoint\.sh "\$@" &$/m);
      assert.equal(dind.args?.[0], "dockerd");
    });

    it("differs from native in nothing else", () => {
      const native = podOf();
      const bare = (container: Container) => ({
        ...container,
        ...{ command: undefined, restartPolicy: undefined, startupProbe: undefined },
        volumeMounts: container.volumeMounts.filter(({ name }) => name !== "lifeline"),
      });
      assert.deepEqual(bare(dind), bare(native.dind));
      assert.deepEqual(bare(agent), bare(native.agent));
      const { containers, volumes, ...rest } = pod;
      const { containers: nativeContainers, initContainers, volumes: nativeVolumes, ...nativeRest } = native.spec;
      assert.deepEqual(rest, nativeRest);
      assert.deepEqual([containers.length, nativeContainers.length, initContainers.length], [2, 1, 1]);
      assert.deepEqual(
        volumes.filter(({ name }) => name !== "lifeline"),
        nativeVolumes,
      );
    });
  });

  it("puts inner containers below the pod's cgroup where that is asked for, and only then", () => {
    for (const sidecar of ["native", "shared-volume"] as const) {
      const script = (innerCgroups?: "engine" | "pod") => {
        const spec = buildPodSpec({ ...ARGS, sidecar, innerCgroups }) as unknown as Record<string, Container[]>;
        return spec[sidecar === "native" ? "initContainers" : "containers"]?.[0]?.command?.[2] ?? "";
      };
      assert.doesNotMatch(script(), /cgroup/);
      assert.match(script("pod"), /--cgroup-parent="\$\{cgroup%\/\*\}"/);
    }
  });

  it("holds no text that Kubernetes would expand in a command", () => {
    for (const sidecar of ["native", "shared-volume"] as const) {
      // $(NAME) is replaced where NAME is a variable of the container, and $$ becomes $.
      const text = JSON.stringify(buildPodSpec({ ...ARGS, sidecar, innerCgroups: "pod" }));
      assert.doesNotMatch(text, /\$\([A-Za-z_][A-Za-z0-9_]*\)|\$\$/);
    }
  });

  it("pins its images to an exact version", () => {
    const { dind, agent } = podOf();
    for (const { image } of [dind, agent]) {
      assert.match(image, /:[0-9]+\.[0-9]+\.[0-9]+/);
    }
    const [major = 0, minor = 0] = agent.image.split(":")[1]?.split(".").map(Number) ?? [];
    assert.ok(major === 3 && minor >= 138, "older agents hang after a refused heartbeat");
  });
});
