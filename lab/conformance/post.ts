import type * as k8s from "@pulumi/kubernetes";
import { AGENT_CONTAINER, DIND_CONTAINER } from "../../components/contract";
import type { DindJobTemplateArgs } from "../../components/dind-job-template-args";

type PodSpec = k8s.types.input.core.v1.PodSpec;

/** The two scripts, letter by letter as the post has them. */
const AGENT_SCRIPT = `trap 'touch /usr/share/pod/done' EXIT
buildkite-agent-entrypoint start \\
  --disconnect-after-job \\
  --disconnect-after-idle-timeout=50
`;

const DIND_SCRIPT = `dockerd-entrypoint.sh &
while ! test -f /usr/share/pod/done; do
  echo 'Waiting for the agent pod to finish...'
  sleep 5
done
echo "Agent pod finished, exiting"
exit 0
`;

/**
 * The pod of the post this project grew from (2020): the baseline. Commands, arguments, mounts and volumes are the
 * post's; what it leaves out behind `# ...` is filled in as Buildkite's documentation of that time shows dind in a pod:
 * privileged, TLS off, the daemon on TCP at localhost; plus images, token, memory limits, and the node to run on, which
 * are the same for all modes here. There is no volume at `/var/lib/docker` and none for the checkouts.
 */
export function postPodSpec(args: DindJobTemplateArgs): PodSpec {
  const { agentToken } = args;
  if (agentToken === undefined) {
    throw new RangeError("the post's pod needs agentToken: it knows no other way");
  }
  const shared = { name: "tmp-pod", mountPath: "/usr/share/pod" };
  return {
    restartPolicy: "Never",
    nodeSelector: args.nodeSelector,
    tolerations: args.tolerations?.map((toleration) => ({ ...toleration })),
    containers: [
      {
        name: AGENT_CONTAINER,
        image: args.agentImage,
        command: ["/bin/sh", "-c"],
        args: [AGENT_SCRIPT],
        env: [
          {
            name: "BUILDKITE_AGENT_TOKEN",
            valueFrom: { secretKeyRef: { name: agentToken.secret, key: agentToken.key } },
          },
          { name: "BUILDKITE_AGENT_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          { name: "BUILDKITE_AGENT_TAGS", value: `queue=${args.queue}` },
          { name: "DOCKER_HOST", value: "tcp://localhost:2375" },
          ...Object.entries(args.env ?? {}).map(([name, value]) => ({ name, value })),
        ],
        resources: resourcesOf(args.resources.agent),
        volumeMounts: [shared, ...extraMounts(args)],
      },
      {
        name: DIND_CONTAINER,
        image: args.dindImage,
        command: ["/bin/sh", "-c"],
        args: [DIND_SCRIPT],
        env: [{ name: "DOCKER_TLS_CERTDIR", value: "" }],
        securityContext: { privileged: true },
        resources: resourcesOf(args.resources.dind),
        volumeMounts: [{ ...shared, readOnly: true }, ...extraMounts(args)],
      },
    ],
    volumes: [{ name: "tmp-pod", emptyDir: {} }, ...(args.volumes ?? []).map(({ volume }) => volume)],
  };
}

/** What a case puts into the pod to make dockerd misbehave. */
function extraMounts(args: DindJobTemplateArgs): k8s.types.input.core.v1.VolumeMount[] {
  return (args.volumes ?? []).map(({ volume, mountPath }) => ({ name: volume.name, mountPath }));
}

function resourcesOf({ cpu, memory }: DindJobTemplateArgs["resources"]["agent"]) {
  return { requests: { cpu, memory }, limits: { memory } };
}
