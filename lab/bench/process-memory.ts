import { readFile } from "node:fs/promises";

/** A process's resident memory. */
export interface ProcessMemory {
  readonly nowMiB: number;
  /** The most it ever had, as the kernel has it. */
  readonly peakMiB: number;
}

/** @throws when there is no such process. */
export async function readMemory(pid: number): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const mebibytes = (field: string): number => {
    const kilobytes = new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(status)?.[1];
    return Number((Number(kilobytes ?? Number.NaN) / 1024).toFixed(1));
  };
  return { nowMiB: mebibytes("VmRSS"), peakMiB: mebibytes("VmHWM") };
}
