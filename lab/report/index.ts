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
