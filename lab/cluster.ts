/** The lab's cluster, as Google's stand-in knows it and the stacks name it. */
export const CLUSTER = { project: "lab-project", location: "europe-west1", name: "lab-cluster" } as const;
