import { describe, expect, it } from 'vitest';
import { borderOf, snapTo, wayBetween } from './snapping.ts';

const border = borderOf({ width: 100, height: 60 });
const square = Float32Array.of(20, 20, 40, 20, 40, 40, 20, 40);
const both = [border, square];

describe('snapping', () => {
  it('finds the nearest outline within reach, and nothing beyond it', () => {
    expect(snapTo(both, [30, 23], 5)).toEqual({ at: [30, 20], ring: square, corner: 0 });
    expect(snapTo(both, [50, 4], 5)?.at).toEqual([50, 0]);
    expect(snapTo(both, [97, 30], 5)?.at).toEqual([100, 30]);
    expect(snapTo(both, [30, 30], 5)).toBeNull();
    expect(snapTo([], [0, 0], 5)).toBeNull();
  });

  it('takes a corner that is near, whichever edge is nearer', () => {
    for (const at of [[41, 21] as const, [39, 19] as const, [40, 22] as const])
      expect(snapTo(both, at, 5)?.at).toEqual([40, 20]);
    expect(snapTo(both, [37, 19], 5)?.at).toEqual([37, 20]);
    expect(snapTo(both, [-3, 62], 8)).toEqual({ at: [0, 60], ring: border, corner: 3 });
  });

  const on = (x: number, y: number) => snapTo(both, [x, y], 0.1)!;

  it('follows an outline the shorter way, in both directions', () => {
    expect(wayBetween(on(30, 20), on(40, 30), 0)).toEqual([[40, 20]]);
    expect(wayBetween(on(40, 30), on(30, 20), 0)).toEqual([[40, 20]]);
    expect(wayBetween(on(22, 20), on(20, 38), 0)).toEqual([[20, 20]]); // over the ring's beginning
    expect(wayBetween(on(90, 0), on(100, 50), 0)).toEqual([[100, 0]]);
    expect(wayBetween(on(3, 0), on(0, 30), 0)).toEqual([[0, 0]]);
  });

  it('adds no corner to a straight edge', () => {
    expect(wayBetween(on(22, 20), on(38, 20), 0)).toEqual([]);
    expect(wayBetween(on(38, 20), on(22, 20), 0)).toEqual([]);
    expect(wayBetween(on(20, 20), on(40, 20), 0)).toEqual([]);
    expect(wayBetween(on(30, 20), on(30, 20), 0)).toEqual([]);
  });

  it('goes straight from one outline to another, and across', () => {
    expect(wayBetween(on(30, 20), on(30, 0), 0)).toEqual([]);
    expect(wayBetween(null, on(30, 0), 0)).toEqual([]);
    expect(wayBetween(on(20, 0), on(20, 60), 0)).toEqual([]); // 100 along the border, 60 across
  });

  it('leaves out corners that would not be seen', () => {
    const stairs = Float32Array.of(0, 0, 10, 0, 10, 1, 20, 1, 20, 2, 30, 2, 30, 20, 0, 20);
    const [from, to] = [snapTo([stairs], [0, 0], 1), snapTo([stairs], [30, 2], 1)];
    expect(wayBetween(from, to, 0)).toHaveLength(4);
    expect(wayBetween(from, to, 1)).toEqual([]);
  });
});
