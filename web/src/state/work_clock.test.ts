import { describe, expect, it } from 'vitest';
import { IDLE_MS, WorkClock } from './work_clock.ts';

describe('the clock of work', () => {
  it('runs from the first move on, and stops a while after the last', () => {
    const clock = new WorkClock();
    expect(clock.take(5000)).toBe(0);
    clock.busy(10_000);
    clock.busy(12_000);
    expect(clock.take(13_000)).toBe(3);
    expect(clock.take(13_500)).toBe(0.5);
    const [later] = [12_000 + 10 * IDLE_MS];
    expect(clock.runs(later)).toBe(false);
    clock.busy(later);
    expect(clock.take(later)).toBe(IDLE_MS / 1000 - 1.5);
    clock.rest(later + 2000);
    expect([clock.runs(later + 3000), clock.take(later + 9000)]).toEqual([false, 2]);
  });
});
