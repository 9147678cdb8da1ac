import { elementsOf, type Fields, fieldsAt, fieldsOf, textOf, textsOf } from "../fields";
import { kindOf, podOf, type ReviewedContainer } from "../pods";
import { type ReviewedResource, type Rule, titleOf } from "../rule";

/** Docker's ports: 2375 without TLS, 2376 with it. A group id of that number (`--group=2375`) is another thing. */
const PORTS = new Set(["2375", "2376"]);

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

function inContainer({ name, fields }: ReviewedContainer): string[] {
  const words = (list: string) =>
    textsOf(fields[list]).flatMap((word, index) => (namesPort(word) ? [`${list}[${index}]`] : []));
  const env = elementsOf(fields["env"]).flatMap((element) => {
    const variable = fieldsOf(element);
    const [key, value] = [textOf(variable["name"]) ?? "?", textOf(variable["value"]) ?? ""];
    return namesPort(value) || (/port/i.test(key) && PORTS.has(value)) ? [`env ${key}`] : [];
  });
  const ports = elementsOf(fields["ports"]).flatMap((port) => portsIn(fieldsOf(port), ["containerPort", "hostPort"]));
  const probes = ["startupProbe", "readinessProbe", "livenessProbe"].flatMap((probe) =>
    ["tcpSocket", "httpGet"].flatMap((check) =>
      portsIn(fieldsAt(fields[probe], check), ["port"]).map(() => `${probe}.${check}.port`),
    ),
  );
  return [...words("command"), ...words("args"), ...env, ...ports, ...probes].map(
    (where) => `${where} of container ${name}`,
  );
}

function inService(resource: ReviewedResource): string[] {
  return kindOf(resource) === "Service"
    ? elementsOf(fieldsAt(resource.props, "spec")["ports"]).flatMap((port) =>
        portsIn(fieldsOf(port), ["port", "targetPort"]),
      )
    : [];
}

/** A daemon.json, for one. */
function inConfigMap(resource: ReviewedResource): string[] {
  return kindOf(resource) === "ConfigMap"
    ? Object.entries(fieldsAt(resource.props, "data")).flatMap(([key, value]) =>
        /tcp:\/\/[^\s"',]*:237[56](?!\d)/.test(textOf(value) ?? "") ? [`data.${key}`] : [],
      )
    : [];
}

function portsIn(fields: Fields, names: readonly string[]): string[] {
  return names.filter((name) => PORTS.has(textOf(fields[name]) ?? ""));
}

/** An address or an option with such a port: `tcp://0.0.0.0:2375`, `--port=2376`. */
function namesPort(word: string): boolean {
  return /:237[56](?!\d)|--?[a-z-]*port[= ]237[56](?!\d)/.test(word);
}
