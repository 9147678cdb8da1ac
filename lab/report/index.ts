export { type BuildRecord, type NodeRecord, type Stretch } from "./build-record";
export { costOf, type CostFigures, type CostRow, type PricedPool } from "./cost";
export { reportHtml } from "./page";
export {
  RunRecorder,
  type MaximumMark,
  type MomentMark,
  type PartRow,
  type PhaseMark,
  type ResultRow,
  type RunReport,
  type Sample,
} from "./run-record";
