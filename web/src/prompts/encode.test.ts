import { describe, expect, it } from 'vitest';
import { fitFrame } from '../geometry.ts';
import { goldens } from '../goldens.ts';
import { toCoco } from '../masks/coco.ts';
import { runsOfRings } from '../masks/paint.ts';
import { encode } from './encode.ts';
import type { Placed } from './types.ts';

const frame = fitFrame({ height: 300, width: 451 });
const complete = (prompt: Placed): Placed => ({ ...prompt, positive: prompt.positive ?? true });

describe('tokens', () => {
  it.each(goldens.encode)('of case %# are those of Python', (golden) => {
    const found = encode(golden.prompts.map(complete), frame, null);
    expect(found.labels).toEqual(golden.labels);
    found.points.forEach(([x, y], at) => {
      expect(x).toBeCloseTo(golden.points[at][0], 3);
      expect(y).toBeCloseTo(golden.points[at][1], 3);
    });
    expect(found.ambiguous).toBe(golden.ambiguous);
    expect(found.again).toBe(golden.again);
    expect(found.maskLogits?.filter((value) => value > 0).length ?? null).toBe(golden.masked);
  });

  it('carry the logits of the round before, unless a shape is drawn now', () => {
    const memory = new Float32Array(256 * 256).fill(1);
    const point: Placed = { type: 'point', x: 10, y: 10, positive: true };
    const found = encode([point], frame, memory);
    expect(found.maskLogits).toBe(memory);
    expect(found.ambiguous).toBe(false);
    const mask = runsOfRings([[[50, 50], [150, 50], [150, 150], [50, 150]]], frame.original); // biome-ignore format: a square
    const drawn = encode(
      [{ type: 'mask', segmentation: toCoco(mask), positive: true }, point],
      frame,
      memory,
    );
    expect(drawn.maskLogits).not.toBe(memory);
    expect(drawn.labels).toEqual([1, 1, 2, 3]);
    expect(drawn.points[2][0]).toBeCloseTo((50 * 1024) / 451, -1);
  });
});
