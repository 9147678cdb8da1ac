/**
 * One build's way through the system. All times are epoch milliseconds; one that was never seen is missing. What the API
 * server tells is timed when a watch heard of it.
 */
export interface BuildRecord {
  readonly number: number;
  readonly queue: string;
  readonly scheduledAt: number;
  /** The first webhook for it went out. */
  readonly webhookAt?: number;
  /** Its Job was there. */
  readonly jobAt?: number;
  /** Its pod had a node. */
  readonly boundAt?: number;
  /** Its pod's phase was Running. */
  readonly podAt?: number;
  /** An agent had the job. */
  readonly agentAt?: number;
  /** Its command began. */
  readonly startedAt?: number;
  /** Its command was over. */
  readonly finishedAt?: number;
  /** Its pod was over. */
  readonly endedAt?: number;
  /** The node that its pod ran on. */
  readonly node?: string;
  readonly exitStatus?: string;
}

/** One node of the pool. Epoch milliseconds. */
export interface NodeRecord {
  readonly name: string;
  /** Its Node object appeared. */
  readonly registeredAt: number;
  readonly readyAt?: number;
  /** Its Node object was deleted. */
  readonly goneAt?: number;
}

/** A stretch of time, epoch milliseconds. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Names of the steps from the push to the end of the pod, in order; see {@link stepsOf}. */
export const STEPS = [
  { name: "webhook", about: "scheduled, until the webhook went out" },
  { name: "Job", about: "until the Job was there" },
  { name: "node", about: "until the pod had a node" },
  { name: "pod", about: "until the pod ran" },
  { name: "agent", about: "until the command began" },
  { name: "build", about: "the command" },
  { name: "end", about: "until the pod was over" },
] as const;

/** One step of a build. */
export interface StepStretch extends Stretch {
  readonly name: (typeof STEPS)[number]["name"];
}

/** When each step was over; a time that is missing, or that a watch heard late, does not make a step go backwards. */
export function stepsOf(build: BuildRecord): StepStretch[] {
  const ends = [
    build.webhookAt,
    build.jobAt,
    build.boundAt,
    build.podAt,
    build.startedAt,
    build.finishedAt,
    build.endedAt,
  ];
  let from = build.scheduledAt;
  return STEPS.flatMap(({ name }, index) => {
    const end = ends[index];
    if (end === undefined) {
      return [];
    }
    // Buildkite's side and the watches do not hear in one order: what comes later never began before what came earlier.
    const later = ends.slice(index + 1).filter((one) => one !== undefined);
    const to = Math.max(from, Math.min(end, ...later));
    const step = { name, from, to };
    from = to;
    return [step];
  });
}
