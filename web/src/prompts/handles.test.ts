import { describe, expect, it } from 'vitest';
import { handleAt, handlesOf, moved, without } from './handles.ts';
import type { Prompt } from './types.ts';

const point = (x: number, y: number, positive = true): Prompt => ({ type: 'point', x, y, positive });
const box: Prompt = { type: 'box', box: [10, 20, 50, 60], positive: true };
const polygon: Prompt = {
  type: 'polygon',
  points: [
    [0, 0],
    [10, 0],
    [10, 10],
    [0, 10],
  ],
  positive: true,
};

describe('handles', () => {
  it('moves a point, and no other prompt', () => {
    const prompts = [point(1, 2), point(30, 40, false)];
    const handle = handleAt(handlesOf(prompts), [29, 41], 5)!;
    expect(moved(prompts, handle, [33, 44])).toEqual([point(1, 2), point(33, 44, false)]);
    expect(handleAt(handlesOf(prompts), [20, 20], 5)).toBeNull();
  });

  it('moves each corner of a box, also past the one across', () => {
    const to = (x: number, y: number, place: [number, number]) => {
      const [made] = moved([box], handleAt(handlesOf([box]), [x, y], 1)!, place);
      return made.type === 'box' ? made.box : null;
    };
    expect(to(10, 20, [5, 6])).toEqual([5, 6, 50, 60]);
    expect(to(50, 20, [55, 6])).toEqual([10, 6, 55, 60]);
    expect(to(50, 60, [55, 66])).toEqual([10, 20, 55, 66]);
    expect(to(10, 60, [5, 66])).toEqual([5, 20, 50, 66]);
    expect(to(10, 20, [70, 80])).toEqual([50, 60, 70, 80]);
  });

  it('moves, inserts and leaves out vertices of a polygon', () => {
    const handles = handlesOf([polygon]);
    const corners = (prompts: readonly Prompt[] | null) =>
      prompts?.map((prompt) => (prompt.type === 'polygon' ? prompt.points : null))[0];
    expect(corners(moved([polygon], handleAt(handles, [10, 10], 2)!, [12, 13]))![2]).toEqual([12, 13]);
    expect(corners(moved([polygon], handleAt(handles, [0, 5], 2)!, [-3, 5]))).toEqual([
      [0, 0],
      [10, 0],
      [10, 10],
      [0, 10],
      [-3, 5],
    ]);
    const three = without([polygon], handleAt(handles, [10, 0], 2)!)!;
    expect(corners(three)).toEqual([
      [0, 0],
      [10, 10],
      [0, 10],
    ]);
    expect(without(three, handlesOf(three)[0])).toBeNull();
  });

  it('never leaves out the last that belongs to the object', () => {
    const prompts = [point(1, 2), point(30, 40, false)];
    const [first, second] = handlesOf(prompts);
    expect(without(prompts, first)).toBeNull();
    expect(without(prompts, second)).toEqual([point(1, 2)]);
  });
});
