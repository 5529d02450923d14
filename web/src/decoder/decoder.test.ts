import { describe, expect, it } from 'vitest';
import { fitFrame } from '../geometry.ts';
import { goldens, sizeOf, waves } from '../goldens.ts';
import { areaOf, difference } from '../masks/runs.ts';
import { runsOfLogits } from '../masks/upsample.ts';
import type { Tokens } from '../prompts/encode.ts';
import { GRANULARITIES } from '../prompts/types.ts';
import { type Candidates, choose, stabilityOf } from './candidates.ts';
import { widen } from './float16.ts';
import { answer, type Known } from './round.ts';

const SCORES = Float32Array.from([0.9, 0.93, 0.8, 0.95]);

function candidates(...masks: Float32Array[]): Candidates {
  const logits = new Float32Array(4 * 256 * 256);
  masks.forEach((mask, at) => {
    logits.set(mask, at * 256 * 256);
  });
  return { logits, scores: SCORES };
}

describe('the choice among masks', () => {
  const found = candidates(waves(), waves(5, 1), waves(20, 5), waves(40, -2));

  it.each(goldens.choose)('is Python’s for $size', ({ size, chosen }) => {
    for (const name of GRANULARITIES)
      expect(choose(found, { at: [9, 9], choice: null }, name, fitFrame(sizeOf(size)))).toBe(chosen[name]);
  });

  it('is the single mask after more than a click', () => {
    expect(choose(found, null, 'auto', fitFrame({ height: 300, width: 451 }))).toBe(0);
  });
});

describe('stability', () => {
  it('is one for a certain mask and less for a hazy one', () => {
    const frame = fitFrame({ height: 256, width: 256 });
    const sharp = Float32Array.from({ length: 65536 }, (_, at) => (at % 256 < 100 ? 20 : -20));
    expect(stabilityOf(sharp, frame)).toBe(1);
    const hazy = Float32Array.from({ length: 65536 }, (_, at) => (100 - (at % 256)) / 10);
    expect(stabilityOf(hazy, frame)).toBeCloseTo(90 / 110, 1);
    expect(stabilityOf(new Float32Array(65536).fill(-5), frame)).toBeNull();
  });
});

describe('a round', () => {
  const frame = fitFrame({ height: 256, width: 256 });
  const left = Float32Array.from({ length: 65536 }, (_, at) => (at % 256 < 128 ? 9 : -9));
  const right = left.map((value) => -value);
  const before: Known = {
    prompts: [{ type: 'point', x: 20, y: 20, positive: true }],
    mask: runsOfLogits(left, frame),
    logits: left,
    score: 0.9,
    plain: null,
  };

  it('feeds the logits of the one before, and all prompts', async () => {
    let fed: Tokens | undefined;
    const decode = async (tokens: Tokens) => {
      fed = tokens;
      return candidates(left);
    };
    await answer(decode, frame, before, [{ type: 'point', x: 30, y: 30, positive: true }], 'auto');
    expect(fed!.maskLogits).toBe(left);
    expect(fed!.labels).toEqual([1, 1, -1]);
  });

  it('takes nothing away when a click asks for more', async () => {
    const found = await answer(
      async () => candidates(right),
      frame,
      before,
      [{ type: 'point', x: 200, y: 20, positive: true }],
      'auto',
    );
    expect(areaOf(difference(before.mask, found.mask))).toBe(0);
    expect(areaOf(found.mask)).toBe(65536);
    expect(found.logits![0]).toBe(9);
  });

  it('adds nothing when a click takes away', async () => {
    const found = await answer(
      async () => candidates(right),
      frame,
      before,
      [{ type: 'point', x: 20, y: 20, positive: false }],
      'auto',
    );
    expect(areaOf(difference(found.mask, before.mask))).toBe(0);
    expect(areaOf(found.mask)).toBeGreaterThan(32768 / 2);
    expect(areaOf(found.mask)).toBeLessThan(32768);
  });

  it('of strokes alone is answered twice', async () => {
    const masks: (Float32Array | null)[] = [];
    const decode = async (tokens: Tokens) => {
      masks.push(tokens.maskLogits);
      return candidates(left);
    };
    await answer(
      decode,
      frame,
      null,
      [{ type: 'scribble', points: [[9, 9], [50, 50]], width: 5, positive: true }], // biome-ignore format: two points
      'auto',
    );
    expect(masks[0]).toBeNull();
    expect(masks[1]!.every((value, at) => value === left[at])).toBe(true);
  });
});

describe('float16', () => {
  it('is widened exactly', () => {
    const halves = Uint16Array.from([0x3c00, 0xc000, 0x3555, 0x0001, 0x8000, 0x7c00]);
    const found = [...widen(halves)];
    expect(found.slice(0, 2)).toEqual([1, -2]);
    expect(found[2]).toBeCloseTo(0.333251953125, 9);
    expect(found[3]).toBe(2 ** -24);
    expect(Object.is(found[4], -0)).toBe(true);
    expect(found[5]).toBe(Infinity);
  });
});
