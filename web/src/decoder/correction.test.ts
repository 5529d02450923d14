import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fitFrame } from '../geometry.ts';
import { goldens, sizeOf, waves } from '../goldens.ts';
import { runsOfLogits } from '../masks/upsample.ts';
import { insideOf } from './candidates.ts';
import type { Choice } from './choice.ts';
import { features, likeliest } from './correction.ts';
import { answer, type Known } from './round.ts';

const FILE = new URL('../../../src/promptseg/models/weights/mobile_sam_choice.json', import.meta.url);
const choice = JSON.parse(readFileSync(FILE, 'utf-8')) as Choice;
const SHIFTS = [
  [0, 0],
  [5, 1],
  [20, 5],
  [40, -2],
  [9, 2],
  [2, -1],
];

describe.each(goldens.correction)('the answer to a correction on $size', ({ size, clicks, values, best }) => {
  const scores = [...Float32Array.from([0.9, 0.93, 0.8, 0.95, 0.9, 0.7])];
  const masks = SHIFTS.map(([shift, cut]) => waves(shift, cut));
  const six = { ...insideOf(masks, fitFrame(sizeOf(size))), scores };
  const given = clicks.map(([x, y, sign]) => ({ x, y, positive: sign === 1 }));

  it('sees what Python sees', () => {
    features(six, given, 3).forEach((row, at) => {
      expect(row).toHaveLength(values[at].length);
      row.forEach((value, index) => {
        expect(value).toBeCloseTo(values[at][index], 4);
      });
    });
  });

  it('says what Python says', () => {
    expect([0, 4].map((usual) => likeliest(choice.later, six, given, 3, usual))).toEqual(best);
  });
});

describe('a round with a learned choice', () => {
  const frame = fitFrame({ height: 256, width: 256 });
  const left = Float32Array.from({ length: 65536 }, (_, at) => (at % 256 < 128 ? 9 : -9));
  const before: Known = {
    prompts: [{ type: 'point', x: 20, y: 20, positive: true }],
    mask: runsOfLogits(left, frame),
    logits: left,
    score: 0.9,
    plain: null,
  };
  /** Gives every candidate the worth of its number: the bias cannot, so the last features (which it is) do. */
  const wanting = (which: number): Choice => ({
    ...choice,
    later: {
      mean: Array<number>(28).fill(0),
      deviation: Array<number>(28).fill(1),
      weights: [[Array.from({ length: 28 }, (_, at) => (at === 22 + which ? 5 : 0))]],
      biases: [[0]],
    },
  });
  const found = () => {
    const logits = new Float32Array(4 * 65536);
    [1, 2, 3, 4].forEach((value, at) => {
      logits.set(
        left.map((sign) => -sign * value),
        at * 65536,
      );
    });
    return { logits, scores: Float32Array.from([0.1, 0.2, 0.3, 0.4]) };
  };
  const ask = (which: number) =>
    answer(
      async () => found(),
      frame,
      before,
      [{ type: 'point', x: 200, y: 20, positive: true }],
      'auto',
      wanting(which),
    );

  it.each([
    [0, -9, 0.1],
    [2, -27, 0.3],
    [4, 9, 0.1],
    [5, 9, 0.9],
  ])('takes candidate %i', async (which, corner, score) => {
    const { logits, score: given } = await ask(which);
    expect(logits![0]).toBe(corner);
    expect(given).toBeCloseTo(score, 6);
  });
});
