/** How the sidecar ends: the post's way, then ours. Rows and columns stand in this order. */
export const MODES = ["post", "shared-volume", "native"] as const;

/** One of {@link MODES}. */
export type Mode = (typeof MODES)[number];
