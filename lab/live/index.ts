export { liveSystem } from "./live-system";
export { plainOutput, wantsView, type LabOutput } from "./output";
export { terminalOutput } from "./terminal-output";
