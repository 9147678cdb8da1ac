/** Lets a number of calls through at once, and from then on so many per second: client-go's rate limiter, by its arithmetic. */
export class TokenBucket {
  private tokens: number;
  private at: number;

  /**
   * @param perSecond tokens added.
   * @param burst tokens at the beginning, and the most there ever are.
   * @param now milliseconds of a clock that only goes forward.
   */
  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    now: number,
  ) {
    this.tokens = burst;
    this.at = now;
  }

  /** Takes a token, one of the future where there is none now; returns how long its taker has to wait, in milliseconds. */
  take(now: number): number {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.at) * this.perSecond) / 1000);
    this.at = now;
    this.tokens -= 1;
    return this.tokens >= 0 ? 0 : (-this.tokens * 1000) / this.perSecond;
  }
}
