import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fitFrame } from '../geometry.ts';
import { goldens, sizeOf, waves } from '../goldens.ts';
import { choose } from './candidates.ts';
import { best, type Choice, features } from './choice.ts';

const FILE = new URL('../../../src/promptseg/models/weights/mobile_sam_choice.json', import.meta.url);
const choice = JSON.parse(readFileSync(FILE, 'utf-8')) as Choice;

describe.each(goldens.choice)(
  'the learned choice on $size',
  ({ size, click, order, values, best: wanted }) => {
    const frame = fitFrame(sizeOf(size));
    const [rows, columns] = [Math.ceil(frame.resized.height / 4), Math.ceil(frame.resized.width / 4)];
    const whole = [waves(5, 1), waves(20, 5), waves(40, -2)];
    const logits = whole.map((each) =>
      Float32Array.from(
        { length: rows * columns },
        (_, at) => each[Math.floor(at / columns) * 256 + (at % columns)],
      ),
    );
    const scores = [...Float32Array.from([0.93, 0.8, 0.95])];
    const at = click as [number, number];

    it('sees what Python sees', () => {
      const found = features({ rows, columns, logits, scores }, at);
      expect(found.order).toEqual(order);
      found.values.forEach((value, index) => {
        expect(value).toBeCloseTo(values[index], 4);
      });
    });

    it('says what Python says, on the grid of the decoder too', () => {
      expect(best(choice, { rows, columns, logits, scores }, at)).toBe(wanted);
      const all = new Float32Array(4 * 65536);
      whole.forEach((mask, index) => {
        all.set(mask, (index + 1) * 65536);
      });
      const candidates = { logits: all, scores: Float32Array.from([0, ...scores]) };
      const place = { at: [4 * at[0], 4 * at[1]] as [number, number], choice };
      expect(choose(candidates, place, 'auto', frame)).toBe(1 + wanted);
    });
  },
);
