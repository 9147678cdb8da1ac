import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

type ServiceStatus = k8s.types.output.core.v1.ServiceStatus;

/** Stands for the address, and for what would be made of it, where the load balancer has none. */
export const NO_ADDRESS_YET = "(no address yet: pulumi up --refresh reads it)";

/**
 * The address of a Service of type LoadBalancer. A preview that makes one of an existing Service gets a status without it,
 * which the types deny: it is unknown then, as in a preview of a new Service. After an up there is one, for the provider
 * waits for it, unless somebody told it not to: {@link NO_ADDRESS_YET}.
 */
export function loadBalancerAddress(status: pulumi.Output<ServiceStatus>): pulumi.Output<string> {
  return (status as pulumi.Output<Partial<ServiceStatus> | undefined>).apply((found): string => {
    const ingress = (found?.loadBalancer as Partial<ServiceStatus["loadBalancer"]> | undefined)?.ingress?.[0];
    const address = [ingress?.ip, ingress?.hostname].find((text) => text !== undefined && text !== "");
    if (address === undefined && pulumi.runtime.isDryRun()) {
      return pulumi.unknown as unknown as string;
    }
    return address ?? NO_ADDRESS_YET;
  });
}

/** An address as that of a webhook. */
export function urlOf(scheme: "http" | "https", address: pulumi.Output<string>, path: string): pulumi.Output<string> {
  return address.apply((host) => (host === NO_ADDRESS_YET ? NO_ADDRESS_YET : `${scheme}://${host}${path}`));
}
