import { elementsOf, type Fields, fieldsOf } from "./fields";
import type { ReviewedResource } from "./rule";

/** A node pool of GKE, by itself or inside a cluster. */
export interface ReviewedNodePool {
  /** What messages put before a field's name: empty, or `nodePools[0].`. */
  readonly path: string;
  /** Whether it stands inside a cluster. */
  readonly inline: boolean;
  readonly pool: Fields;
}

/** The pools that a resource declares. */
export function nodePoolsOf({ type, props }: ReviewedResource): readonly ReviewedNodePool[] {
  switch (type) {
    case "gcp:container/nodePool:NodePool":
      return [{ path: "", inline: false, pool: props }];
    case "gcp:container/cluster:Cluster":
      return elementsOf(props["nodePools"]).map((pool, index) => ({
        path: `nodePools[${index}].`,
        inline: true,
        pool: fieldsOf(pool),
      }));
    default:
      return [];
  }
}
