import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Preview } from '../decoder/messages.ts';
import { Hover, type Place } from './hover.ts';

describe('a hovering mouse', () => {
  const asked: Place[] = [];
  const shown: number[] = [];
  let pending: ((preview: Preview | null) => void)[] = [];
  let ready = true;
  const preview = (score: number, coarse: boolean): Preview => ({ rings: [], score, coarse });
  const answer = async (found: Preview | null): Promise<void> => {
    pending.shift()!(found);
    await vi.advanceTimersByTimeAsync(0);
  };
  const make = (): Hover =>
    new Hover(
      () => ready,
      (place) => {
        asked.push(place);
        return new Promise((resolve) => {
          pending.push(resolve);
        });
      },
      ({ score }) => {
        shown.push(score);
      },
    );

  beforeEach(() => {
    vi.useFakeTimers();
    asked.length = shown.length = 0;
    pending = [];
    ready = true;
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('asks coarsely, and finely when it rests', async () => {
    make().look([1, 2], true);
    await answer(preview(1, true));
    expect(shown).toEqual([1]);
    await vi.advanceTimersByTimeAsync(249);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked[1]).toEqual({ at: [1, 2], positive: true, fine: true });
    await answer(preview(2, false));
    await vi.advanceTimersByTimeAsync(1000);
    expect([asked.length, shown]).toEqual([2, [1, 2]]);
  });

  it('asks for the newest place only', async () => {
    const hover = make();
    for (const x of [1, 2, 3]) hover.look([x, 0], true);
    await answer(preview(1, true));
    await answer(preview(3, true));
    expect(asked.map(({ at }) => at[0])).toEqual([1, 3]);
    hover.look([4, 0], true);
    await vi.advanceTimersByTimeAsync(300); // the rest at 3 was interrupted
    expect(asked.map(({ at, fine }) => [at[0], fine])).toEqual([[1, false], [3, false], [4, false]]); // biome-ignore format: a table
  });

  it('shows nothing after the mouse has left, and does not come back', async () => {
    const hover = make();
    hover.look([1, 0], true);
    hover.stop();
    await answer(preview(1, true));
    await vi.advanceTimersByTimeAsync(1000);
    expect([asked.length, shown]).toEqual([1, []]);
  });

  it('is not refined when what is there has changed', async () => {
    const hover = make();
    hover.look([1, 0], true);
    await answer(preview(1, true));
    hover.settle();
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveLength(1);
  });

  it('waits until it can be answered, and survives refusals', async () => {
    ready = false;
    const hover = make();
    hover.look([1, 0], true);
    expect(asked).toHaveLength(0);
    ready = true;
    void hover.run();
    await answer(null);
    hover.look([2, 0], false);
    await answer(preview(2, false));
    expect([asked.length, shown]).toEqual([2, [2]]);
  });
});
