import { move, type FakeJob, type FakeReservation } from "./job";

/** What a job acquisition token is good for. */
export interface AcquisitionGrant {
  readonly jobId: string;
  /** Epoch milliseconds; never later than the reservation's end. */
  readonly expiresAt: number;
}

/** Stacks' claims on jobs, and the tokens given out for them. */
export class Reservations {
  /** Job acquisition tokens: each registers an agent for one job, while the job is reserved. */
  readonly grants = new Map<string, AcquisitionGrant>();
  private readonly jobs = new Set<FakeJob>();

  /** scheduled or reserved -> reserved; repeated to extend. */
  reserve(job: FakeJob, reservation: FakeReservation): void {
    job.reservation = reservation;
    this.jobs.add(job);
    if (job.state !== "reserved") {
      move(job, "reserved");
    }
  }

  /** Puts jobs whose reservation is over back among the scheduled ones: every call that looks at states begins so. */
  expire(): void {
    const now = Date.now();
    for (const job of this.jobs) {
      if (job.state !== "reserved") {
        this.jobs.delete(job);
      } else if (job.reservation !== undefined && job.reservation.expiresAt <= now) {
        this.jobs.delete(job);
        move(job, "scheduled");
      }
    }
  }

  /**
   * Whether an agent that registered with this token may have the job now. A reserved one goes to an agent with an
   * acquisition token for it, or with the agent token that the stack reserved it with; whether another agent token may
   * have it is not documented: here it may not.
   */
  allow(job: FakeJob, token: string | undefined): boolean {
    const grant = this.grants.get(token ?? "");
    if (grant !== undefined) {
      return job.state === "reserved" && grant.jobId === job.id;
    }
    return job.state === "scheduled" || (job.state === "reserved" && job.reservation?.token === token);
  }

  /** Whether an agent may register with this acquisition token now. */
  eligible(grant: AcquisitionGrant, job: FakeJob): boolean {
    this.expire();
    return grant.expiresAt > Date.now() && job.state === "reserved";
  }
}
