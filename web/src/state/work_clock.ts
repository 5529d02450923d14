// The time that is worked: it runs while a hand moves, and for a while after.

/** Who does nothing for so long has stopped. */
export const IDLE_MS = 30_000;

export class WorkClock {
  private worked = 0;
  private counted = 0;
  private until = 0;

  private run(now: number): void {
    this.worked += Math.max(0, Math.min(now, this.until) - this.counted);
    this.counted = now;
  }

  /** A hand moves. */
  busy(now: number): void {
    this.run(now);
    this.until = now + IDLE_MS;
  }

  /** Work has stopped for certain. */
  rest(now: number): void {
    this.run(now);
    this.until = now;
  }

  runs(now: number): boolean {
    return now < this.until;
  }

  /** The seconds that were worked since this was last asked. */
  take(now: number): number {
    this.run(now);
    const seconds = this.worked / 1000;
    this.worked = 0;
    return seconds;
  }
}
