export { OverlapWatch, type Counts, type OverlapWatchOptions } from "./overlap-watch";
