/** Machine type of the nodes where none is named. */
export const DEFAULT_MACHINE_TYPE = "e2-standard-4";

const MACHINE_TYPE = /^[a-z][a-z0-9]*(-[a-z0-9]+)+$/;

/** The series with Arm processors (Compute Engine, "Arm VMs"): Tau T2A, Axion C4A and N4A, A4X with NVIDIA Grace. */
const ARM = /^(t2a|c4a|n4a|a4x)-/;

/** The rule that a machine type of a pool for builds breaks, in words; undefined when it breaks none. */
export function brokenMachineTypeRule(machineType: string): string | undefined {
  if (!MACHINE_TYPE.test(machineType)) {
    return "a Compute Engine machine type such as e2-standard-4";
  }
  return ARM.test(machineType)
    ? "an x86 machine type such as e2-standard-4 (GKE taints Arm nodes kubernetes.io/arch=arm64:NoSchedule, which builds do not tolerate, and the images are pinned for linux/amd64)"
    : undefined;
}
