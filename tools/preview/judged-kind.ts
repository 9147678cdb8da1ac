import { podOf } from "../../policy/pods";
import { compareAdmissionBindings, compareAdmissionPolicies } from "./admission-policy";
import { byTexts, type Comparison } from "./difference";
import { addressTexts, ingressTexts, isExposed, serviceTexts } from "./exposure";
import { compareNetworkPolicies } from "./network-policy";
import { nodePoolTexts, podTexts } from "./node-access";
import type { PreviewStep } from "./preview";
import { bindingTexts, googleAccountTexts, iamTexts, namespaceTexts, roleTexts, serviceAccountTexts } from "./rights";

/** How a kind of resource is judged. */
export interface JudgedKind {
  /** Inputs that decide who may do or reach what, by their paths: whichever of them changes, it is told. */
  readonly decisive: RegExp;
  /** Those of them that the comparison puts into words; the others are told by their paths. */
  readonly told: RegExp;
  readonly compare: Comparison;
}

const NEVER = /(?!)/;
const NO_WORDS = byTexts(() => []);

const ROLE: JudgedKind = {
  decisive: /^(rules|aggregationRule|metadata\.namespace)\b/,
  told: /^rules\b/,
  compare: byTexts(roleTexts),
};
const ROLE_BINDING: JudgedKind = {
  decisive: /^(roleRef|subjects|metadata\.namespace)\b/,
  told: /^(roleRef|subjects)\b/,
  compare: byTexts(bindingTexts),
};
/** Names that begin with two underscores are the notes of the provider itself. */
const IAM: JudgedKind = { decisive: /^(?!__)/, told: /^/, compare: byTexts(iamTexts) };
const ADDRESS: JudgedKind = {
  decisive: /^(addressType|purpose|network|subnetwork)\b/,
  told: /^addressType\b/,
  compare: byTexts(addressTexts),
};
/** Images, commands, variables and sizes are left out: they say what runs, not what it may. */
const POD: JudgedKind = {
  decisive: new RegExp(
    [
      /(^|\.)(securityContext|host(Network|PID|IPC|Users|Port)|serviceAccount(Name)?|automountServiceAccountToken)\b/,
      /(^|\.)(runtimeClassName|shareProcessNamespace|nodeName|nodeSelector|tolerations|volumeDevices)\b/,
      /(^|\.)(secretKeyRef|secretRef)\b/,
      /\.volumes(\[\d+\](\.(?!(name|configMap|emptyDir)\b)|$)|$)/,
      /^(spec|template)(\.(jobTemplate|template|spec))*(\.(initC|c)ontainers(\[\d+\])?)?$/,
    ]
      .map(({ source }) => source)
      .join("|"),
  ),
  told: /\.(privileged|capabilities\.add(\[\d+\])?|host(Network|PID|IPC)|hostPath\.path|serviceAccountName|automountServiceAccountToken)$/,
  compare: byTexts(podTexts),
};

const KINDS: Readonly<Record<string, JudgedKind>> = {
  Role: ROLE,
  ClusterRole: ROLE,
  RoleBinding: ROLE_BINDING,
  ClusterRoleBinding: ROLE_BINDING,
  // Network and admission policies select namespaces by any of their labels.
  Namespace: {
    decisive: /^metadata\.labels\b/,
    told: /^metadata\.labels\["pod-security\.kubernetes\.io\//,
    compare: byTexts(namespaceTexts),
  },
  ServiceAccount: {
    decisive: /^(automountServiceAccountToken|metadata\.(annotations|namespace))\b/,
    told: /^(automountServiceAccountToken|metadata\.annotations\["iam\.gke\.io\/gcp-service-account"\])/,
    compare: byTexts(serviceAccountTexts),
  },
  NetworkPolicy: {
    decisive: /^(spec|metadata\.namespace)\b/,
    told: /^(spec\.|metadata\.namespace\b)/,
    compare: compareNetworkPolicies,
  },
  Service: {
    decisive:
      /^(spec(\.(type|ports|selector|externalIPs|externalName|loadBalancer\w+)\b|$)|metadata\.(annotations|namespace)\b)/,
    told: /^(spec\.(type|ports(\[\d+\](\.port)?)?|externalIPs.*|loadBalancerSourceRanges.*)|metadata\.annotations\["networking\.gke\.io\/load-balancer-type"\])$/,
    compare: byTexts(serviceTexts),
  },
  Ingress: {
    decisive: /^(spec|metadata\.(annotations|namespace))\b/,
    told: /^(spec\.(ingressClassName|rules(\[\d+\](\.host|\.http(\.paths(\[\d+\](\.path)?)?)?)?)?)|metadata\.annotations\["kubernetes\.io\/ingress\.(class|allow-http)"\])$/,
    compare: byTexts(ingressTexts),
  },
  Account: {
    decisive: /^(accountId|project|disabled)\b/,
    told: /^(accountId|disabled)\b/,
    compare: byTexts(googleAccountTexts),
  },
  IAMMember: IAM,
  IAMBinding: IAM,
  NodePool: {
    decisive:
      /^(nodeConfig(\.(serviceAccount|oauthScopes|workloadMetadataConfig|taints|shieldedInstanceConfig|metadata|kubeletConfig|sandboxConfig|tags)\b|$)|networkConfig\b)/,
    told: /^nodeConfig\.(serviceAccount|oauthScopes|workloadMetadataConfig|taints)\b/,
    compare: byTexts(nodePoolTexts),
  },
  GlobalAddress: ADDRESS,
  Address: ADDRESS,
  ValidatingAdmissionPolicy: { decisive: /^spec\b/, told: /^spec\./, compare: compareAdmissionPolicies },
  ValidatingAdmissionPolicyBinding: { decisive: /^spec\b/, told: /^spec\./, compare: compareAdmissionBindings },
};

/** Other kinds of Google's rights, keys of accounts among them: that they change is said, not what it means. */
const OTHER_RIGHTS: JudgedKind = { decisive: IAM.decisive, told: NEVER, compare: NO_WORDS };

/** How the step's resource is judged; undefined where it gives nobody anything. */
export function judgedKind(step: PreviewStep): JudgedKind | undefined {
  const kind = step.type.split(":").pop() ?? "";
  if (kind === "Service" && !isExposed(step.before) && !isExposed(step.after)) {
    return undefined;
  }
  if (Object.hasOwn(KINDS, kind)) {
    return KINDS[kind];
  }
  if (kind.startsWith("IAM") || step.type.startsWith("gcp:serviceaccount/")) {
    return OTHER_RIGHTS;
  }
  return podOf({ ...step, props: {} }) === undefined ? undefined : POD;
}
