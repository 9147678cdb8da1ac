import { environmentOf, substituted } from "../environment";
import { elementsOf, type Fields, fieldsAt, fieldsOf, textOf, textsOf } from "../fields";
import { kindOf, podOf, type ReviewedContainer } from "../pods";
import { type ReviewedResource, type Rule, titleOf } from "../rule";

/** Docker's ports: 2375 without TLS, 2376 with it. A group id of that number (`--group=2375`) is another thing. */
const PORTS = new Set(["2375", "2376"]);

const PROBES = ["startupProbe", "readinessProbe", "livenessProbe"];
const HOOKS = ["postStart", "preStop"];

const DEFAULT_PORT = "without a port: Docker's default";

const WHY =
  "2375 is Docker's API without any authentication: root on the node for whoever reaches it, and what scanners look for " +
  "first; 2376 costs each build seconds of certificates (docker-library/docker #294; published examples use both). " +
  "Fix: a unix socket in a volume that the pod's containers share, DOCKER_HOST=unix://<its path>, a startupProbe of `docker info`.";

/** Docker's TCP ports appear nowhere. */
export const noDockerPort: Rule = {
  name: "no-docker-port",
  description: "Nothing listens on, publishes or connects to Docker's ports 2375 and 2376.",
  severity: "critical",
  faultsOf(resource) {
    const found = [
      ...(podOf(resource)?.containers ?? []).flatMap(inContainer),
      ...inService(resource),
      ...inConfigMap(resource),
    ];
    return found.length === 0 ? [] : [`${titleOf(resource)}: ${found.join(", ")}. ${WHY}`];
  },
};

function inContainer(container: ReviewedContainer): string[] {
  const { name, fields } = container;
  const handlers = [...PROBES.map((probe) => [probe]), ...HOOKS.map((hook) => ["lifecycle", hook])].flatMap((path) =>
    inHandler(fieldsAt(fields, ...path)).map((where) => `${path.join(".")}.${where}`),
  );
  const ports = elementsOf(fields["ports"]).flatMap((port) => portsIn(fieldsOf(port), ["containerPort", "hostPort"]));
  return [
    ...inWords("command", fields["command"]),
    ...inWords("args", fields["args"]),
    ...inEnvironment(container),
    ...ports,
    ...handlers,
  ].map((where) => `${where} of container ${name}`);
}

function inWords(list: string, words: unknown): string[] {
  return textsOf(words).flatMap((word, index) => {
    const addresses = [...word.matchAll(/(?<!\w)DOCKER_HOST=["']?(tcp:[^\s"';&|)]*)/g)];
    return namesPort(word)
      ? [`${list}[${index}]`]
      : addresses.some(([, address = ""]) => leavesPortToDocker(address))
        ? [`${list}[${index}] (DOCKER_HOST ${DEFAULT_PORT})`]
        : [];
  });
}

function inEnvironment(container: ReviewedContainer): string[] {
  return elementsOf(container.fields["env"]).flatMap((element) => {
    const variable = fieldsOf(element);
    const [key, value] = [textOf(variable["name"]) ?? "?", textOf(variable["value"]) ?? ""];
    if (namesPort(value) || (/port/i.test(key) && PORTS.has(value))) {
      return [`env ${key}`];
    }
    return key === "DOCKER_HOST" && leavesPortToDocker(substituted(value, environmentOf(container)))
      ? [`env ${key} (${DEFAULT_PORT})`]
      : [];
  });
}

/** What the kubelet does for a probe or a hook. */
function inHandler(handler: Fields): string[] {
  const ports = ["tcpSocket", "httpGet"].flatMap((kind) =>
    portsIn(fieldsAt(handler, kind), ["port"]).map(() => `${kind}.port`),
  );
  return [...ports, ...inWords("exec.command", fieldsAt(handler, "exec")["command"])];
}

function inService(resource: ReviewedResource): string[] {
  return kindOf(resource) === "Service"
    ? elementsOf(fieldsAt(resource.props, "spec")["ports"]).flatMap((port) =>
        portsIn(fieldsOf(port), ["port", "targetPort"]),
      )
    : [];
}

/** A daemon.json, or variables for `envFrom`. */
function inConfigMap(resource: ReviewedResource): string[] {
  return kindOf(resource) === "ConfigMap"
    ? Object.entries(fieldsAt(resource.props, "data")).flatMap(([key, value]) => {
        const text = textOf(value) ?? "";
        return /tcp:\/\/[^\s"',]*:237[56](?!\d)/.test(text)
          ? [`data.${key}`]
          : key === "DOCKER_HOST" && leavesPortToDocker(text)
            ? [`data.${key} (${DEFAULT_PORT})`]
            : [];
      })
    : [];
}

function portsIn(fields: Fields, names: readonly string[]): string[] {
  return names.filter((name) => PORTS.has(textOf(fields[name]) ?? ""));
}

/** An address or an option with such a port: `tcp://0.0.0.0:2375`, `--port=2376`. */
function namesPort(word: string): boolean {
  return /:237[56](?!\d)|--?[a-z-]*port[= ]237[56](?!\d)/.test(word);
}

/**
 * `tcp://docker`, or `docker` alone: the client takes 2375 then (docker/cli, opts/hosts.go). An address that a variable
 * stands in may have a port.
 */
function leavesPortToDocker(address: string): boolean {
  return /^(?:tcp:\/\/|(?=[^/.:]))(?:\[[^\]$]*\]|[^:/$]*):?(?:\/(?!\/).*)?$/.test(address.trim());
}
