/** Pods that a node of the agents' pool takes; GKE sets an address range of twice as many aside for each node. */
export const PODS_PER_NODE = 32;

/**
 * Of these, pods that GKE runs on each node itself: kube-proxy or anetd, fluentbit, gke-metrics-agent, pdcsi-node,
 * gke-metadata-server, netd, the images' streaming, and what a cluster adds, such as node-local-dns or a collector. Which
 * they are differs from cluster to cluster: an assumption, not a count.
 */
export const SYSTEM_PODS_PER_NODE = 8;

/** The most builds on one node, however little they request. */
export const MAX_JOBS_PER_NODE = PODS_PER_NODE - SYSTEM_PODS_PER_NODE;
