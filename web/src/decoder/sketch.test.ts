import { describe, expect, it } from 'vitest';
import { fitFrame } from '../geometry.ts';
import { cellsOf, chosen, enlarged } from './sketch.ts';

describe('the sketch under a hovering mouse', () => {
  it('has a cell for every 16 pixels of the frame that the picture reaches into', () => {
    expect(cellsOf(fitFrame({ height: 300, width: 400 }))).toEqual({ rows: 48, columns: 64 });
    expect(cellsOf(fitFrame({ height: 5, width: 5000 }))).toEqual({ rows: 1, columns: 64 });
    expect(cellsOf(fitFrame({ height: 1000, width: 677 }))).toEqual({ rows: 64, columns: 44 });
  });

  it('is enlarged so that each logit stays where it was computed', () => {
    const cells = { rows: 3, columns: 4 };
    const logits = Float32Array.from({ length: 12 }, (_, at) => 3 * (at % 4) - 7 * Math.floor(at / 4));
    const large = enlarged(logits, cells);
    const at = (y: number, x: number): number => large[y * 256 + x];
    for (let row = 0; row < 3; row++)
      for (let column = 0; column < 4; column++)
        expect(at(4 * row + 2, 4 * column + 2)).toBe(logits[row * 4 + column]);
    expect(at(2, 4)).toBeCloseTo(1.5);
    expect(at(5, 3)).toBeCloseTo(0.75 - 5.25);
    expect(at(0, 0)).toBe(0); // the border is continued
    expect(at(11, 15)).toBe(9 - 14);
    expect(at(12, 0)).toBe(0); // no cell reaches there
  });

  it('chooses among three masks by score, size or name', () => {
    const cells = { rows: 10, columns: 10 };
    const mask = (share: number): number[] =>
      Array.from({ length: 100 }, (_, at) => (at < 100 * share ? 4 : -4));
    const logits = Float32Array.from([...mask(0.9), ...mask(0.1), ...mask(0.3)]);
    const scores = Float32Array.from([0.95, 0.7, 0.9]);
    const sketch = { logits, scores };
    const click = { at: [8, 8], choice: null } as const;
    expect(chosen(sketch, cells, 'auto', click).score).toBe(scores[2]);
    expect(chosen(sketch, cells, 'part', click).score).toBe(scores[1]);
    expect(chosen(sketch, cells, 'object', click).score).toBe(scores[2]);
    expect(chosen(sketch, cells, 'whole', click).score).toBe(scores[0]);
  });
});
