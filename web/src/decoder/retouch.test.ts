import { describe, expect, it } from 'vitest';
import { fitFrame } from '../geometry.ts';
import { goldens, sizeOf, waves } from '../goldens.ts';
import { areaOf, difference } from '../masks/runs.ts';
import { runsOfLogits } from '../masks/upsample.ts';
import type { Placed } from '../prompts/types.ts';
import { insideOf } from './candidates.ts';
import { type Grid, type Input, inputsOf, pasted, type Window, windowOf } from './retouch.ts';
import { answer, type Known } from './round.ts';

/** Every 41st row and 31st column, or others, of (1, channels, rows, columns). */
function sampled({ values, shape: [, channels, rows, columns] }: Input, down = 41, across = 31) {
  const found: number[] = [];
  for (let channel = 0; channel < channels; channel++)
    for (let row = 0; row < rows; row += down)
      for (let column = 0; column < columns; column += across)
        found.push(values[(channel * rows + row) * columns + column]);
  return found;
}

function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((value, at) => {
    expect(Math.abs(value - expected[at])).toBeLessThan(2e-4);
  });
}

describe.each(goldens.retouch)('retouching on $size', ({ size, clicks, window, pixels, maps, embedding }) => {
  const frame = fitFrame(sizeOf(size));
  const gridOf = (shift: number): Grid => {
    const { rows, columns, logits } = insideOf([waves(shift, 2)], frame);
    return { rows, columns, values: logits[0] };
  };
  const [logits, before] = [gridOf(0), gridOf(7)];
  const given = clicks.map(([x, y, sign]) => ({ x, y, positive: sign === 1 }));
  const [top, left, rows, columns] = window;
  const place: Window = { top, left, rows, columns };

  it('looks where Python looks', () => {
    expect(windowOf(logits, before, given)).toEqual(place);
  });

  it('sees what Python sees', () => {
    const [width, height] = [2 * logits.columns, 2 * logits.rows];
    const data = Uint8ClampedArray.from({ length: 4 * width * height }, (_, at) => {
      const [colour, x, y] = [at % 4, Math.floor(at / 4) % width, Math.floor(at / 4 / width)];
      return colour === 3 ? 255 : (3 * x + 5 * y + 70 * colour) % 256;
    });
    const features = Float32Array.from({ length: 4 * 4096 }, (_, at) => at);
    const seen = inputsOf({ width, data }, logits, before, given, features, place);
    expect(seen.pixels.shape).toEqual([1, 12, rows, columns]);
    expect(seen.maps.shape).toEqual([1, 10, rows, columns]);
    expect(seen.embedding.shape).toEqual([1, 4, rows / 4, columns / 4]);
    expectClose(sampled(seen.pixels), pixels);
    expectClose(sampled(seen.maps), maps);
    expectClose(sampled(seen.embedding, 5, 7), embedding);
  });
});

describe('a retouched window', () => {
  it('changes nothing around it, nor beyond the picture', () => {
    const window = { top: 16, left: 32, rows: 16, columns: 32 };
    const found = pasted(new Float32Array(65536), new Float32Array(512).fill(7), window, 30, 40);
    const changed = [...found.keys()].filter((at) => found[at] !== 0);
    expect(changed).toHaveLength((30 - 16) * (40 - 32));
    expect(changed.every((at) => at >> 8 >= 16 && at >> 8 < 30 && at % 256 >= 32 && at % 256 < 40)).toBe(
      true,
    );
  });
});

/** Compares long arrays quickly. */
const same = (expected: Float32Array) => (found: Float32Array) =>
  found.length === expected.length && found.every((value, at) => value === expected[at]);

describe('a round with retouching', () => {
  const frame = fitFrame({ height: 256, width: 256 });
  const half = (columns: number) =>
    Float32Array.from({ length: 65536 }, (_, at) => (at % 256 < columns ? 9 : -9));
  const known = (columns: number, plain: Known['plain'] = null): Known => ({
    prompts: [{ type: 'point', x: 20, y: 20, positive: true }],
    mask: runsOfLogits(half(columns), frame),
    logits: half(columns),
    score: 0.9,
    plain,
  });
  const click: Placed = { type: 'point', x: 30, y: 20, positive: true };
  const ask = async (before: Known | null, prompts: readonly Placed[] = [click]) => {
    const asked: (Float32Array | null)[] = [];
    const drawn: { logits: Float32Array; before: Float32Array; clicks: number }[] = [];
    const logits = new Float32Array(4 * 65536);
    [140, 140, 140, 140].forEach((columns, at) => {
      logits.set(half(columns), at * 65536);
    });
    const found = await answer(
      async (tokens) => {
        asked.push(tokens.maskLogits);
        return { logits, scores: Float32Array.from([0.9, 0.8, 0.7, 0.6]) };
      },
      frame,
      before,
      prompts,
      'auto',
      null,
      async (given, earlier, clicks) => {
        drawn.push({ logits: given, before: earlier, clicks: clicks.length });
        return half(150);
      },
    );
    return { found, asked, drawn };
  };

  it('draws the border of a correction anew and keeps what SAM said', async () => {
    const { found, drawn } = await ask(known(130));
    expect(drawn).toHaveLength(1);
    expect(drawn[0].clicks).toBe(2);
    expect(drawn[0].logits).toSatisfy(same(half(140)));
    expect(drawn[0].before).toSatisfy(same(half(130)));
    expect(found.mask).toEqual(runsOfLogits(half(150), frame));
    expect(found.logits).toSatisfy(same(half(150)));
    expect(found.stability).toBe(1);
    expect(found.plain?.mask).toEqual(runsOfLogits(half(140), frame));
    expect(found.plain?.logits).toSatisfy(same(half(140)));
  });

  it('tells SAM its own mask in the next round', async () => {
    const plain = { mask: runsOfLogits(half(120), frame), logits: half(120) };
    const { asked, drawn } = await ask(known(130, plain));
    expect(asked).toHaveLength(1);
    expect(asked[0]).toSatisfy(same(half(120)));
    expect(drawn[0].before).toSatisfy(same(half(130)));
  });

  it('leaves first clicks and other prompts alone', async () => {
    const box: Placed = { type: 'box', box: [10, 10, 200, 200], positive: true };
    for (const { found, drawn } of [await ask(null), await ask(known(130), [box])]) {
      expect(drawn).toHaveLength(0);
      expect(found.plain).toBeNull();
    }
  });

  it('brings nothing back that was not shown when a negative prompt takes away', async () => {
    const box: Placed = { type: 'box', box: [10, 10, 200, 200], positive: true };
    const shown = { ...known(130), prompts: [box], mask: runsOfLogits(half(100), frame) };
    const { found } = await ask(shown, [{ ...click, positive: false }]);
    expect(areaOf(found.mask)).toBeGreaterThan(0);
    expect(areaOf(difference(found.mask, shown.mask))).toBe(0);
  });
});
