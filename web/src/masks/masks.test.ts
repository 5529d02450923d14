import { describe, expect, it } from 'vitest';
import { fitFrame } from '../geometry.ts';
import { goldens, sizeOf, waves } from '../goldens.ts';
import { fromCoco, toCoco } from './coco.ts';
import { ringsOfLogits, ringsOfRuns, simplifyRing } from './outline.ts';
import { runsOfRings, runsOfStroke } from './paint.ts';
import { regionsOf } from './regions.ts';
import {
  areaOf,
  boxOf,
  containsPixel,
  denseCrop,
  difference,
  intersection,
  iou,
  type Runs,
  runsOfCrop,
  union,
} from './runs.ts';
import { gridOfRuns, runsOfLogits } from './upsample.ts';

/** A repeatable coin. */
function coin(seed: number): () => boolean {
  let state = seed;
  return () => {
    state = (1103515245 * state + 12345) % 2 ** 31;
    return state > 2 ** 30;
  };
}

function noise(seed: number, height = 13, width = 17): { pixels: Uint8Array; runs: Runs } {
  const flip = coin(seed);
  const size = { height, width };
  const pixels = Uint8Array.from({ length: height * width }, () => (flip() ? 1 : 0));
  return { pixels, runs: runsOfCrop(pixels, size, 0, 0, size) };
}

const whole = [0, 0, 17, 13] as const;

describe('runs', () => {
  it('hold every pixel', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { pixels, runs } = noise(seed);
      expect(denseCrop(runs, whole)).toEqual(pixels);
      expect(areaOf(runs)).toBe(pixels.reduce((sum, value) => sum + value, 0));
      for (let at = 0; at < pixels.length; at++)
        expect(containsPixel(runs, at % 17, Math.floor(at / 17))).toBe(pixels[at] === 1);
    }
  });

  it('combine as pixels do', () => {
    for (let seed = 0; seed < 20; seed++) {
      const [a, b] = [noise(seed), noise(seed + 100)];
      const each = (rule: (x: number, y: number) => number) => a.pixels.map((x, at) => rule(x, b.pixels[at]));
      expect(denseCrop(union(a.runs, b.runs), whole)).toEqual(each((x, y) => x | y));
      expect(denseCrop(intersection(a.runs, b.runs), whole)).toEqual(each((x, y) => x & y));
      expect(denseCrop(difference(a.runs, b.runs), whole)).toEqual(each((x, y) => x & (1 - y)));
    }
  });

  it('know their box', () => {
    const size = { height: 20, width: 30 };
    const runs = runsOfCrop(new Uint8Array(12).fill(1), { height: 3, width: 4 }, 7, 5, size);
    expect(boxOf(runs)).toEqual([7, 5, 11, 8]);
  });
});

describe('COCO run lengths', () => {
  it('are read and written letter for letter', () => {
    for (const { segmentation, area } of goldens.upsample) {
      const runs = fromCoco(segmentation);
      expect(areaOf(runs)).toBe(area);
      expect(toCoco(runs)).toEqual(segmentation);
    }
  });

  it('survive noise, emptiness and fullness', () => {
    for (let seed = 0; seed < 10; seed++) {
      const { runs } = noise(seed);
      expect(fromCoco(toCoco(runs)).edges).toEqual(runs.edges);
    }
    for (const value of [0, 1]) {
      const size = { height: 4, width: 5 };
      const runs = runsOfCrop(new Uint8Array(20).fill(value), size, 0, 0, size);
      expect(fromCoco(toCoco(runs)).edges).toEqual(runs.edges);
    }
  });

  it('refuse lengths that do not fill the picture', () => {
    expect(() => fromCoco({ size: [4, 5], counts: '3' })).toThrow(/do not fill/);
  });
});

describe('enlarging logits', () => {
  it.each(goldens.upsample)('gives Python’s mask of $size', ({ size, segmentation, box }) => {
    const found = runsOfLogits(waves(), fitFrame(sizeOf(size)));
    expect(iou(found, fromCoco(segmentation))).toBeGreaterThan(0.9999);
    expect(boxOf(found)).toEqual(box);
  });

  it('is undone on the grid', () => {
    const frame = fitFrame({ height: 300, width: 451 });
    const logits = waves();
    const grid = gridOfRuns(runsOfLogits(logits, frame), frame);
    let [same, all] = [0, 0];
    for (let y = 0; y < 170; y++) {
      for (let x = 0; x < 256; x++, all++) if (grid[y * 256 + x] > 0.5 === logits[y * 256 + x] > 0) same++;
    }
    expect(same / all).toBeGreaterThan(0.99);
    expect(Math.max(...grid)).toBeLessThan(1.0001);
  });
});

describe('painting', () => {
  const { size, ring, polygon, stroke, width, line } = goldens.paint;

  it('fills a polygon as Python does', () => {
    expect(toCoco(runsOfRings([ring], sizeOf(size)))).toEqual(polygon);
  });

  it('draws a stroke as Python does', () => {
    expect(toCoco(runsOfStroke(stroke, width, sizeOf(size)))).toEqual(line);
  });
});

describe('outlines', () => {
  it.each(goldens.outline)('follow pixels as in Python, $size', ({ size, rings, corners }) => {
    const found = ringsOfRuns(runsOfLogits(waves(), fitFrame(sizeOf(size))));
    expect(found.length).toBe(rings);
    expect(found.reduce((sum, ring) => sum + ring.length / 2, 0)).toBe(corners);
  });

  it('paint the same mask again', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { runs } = noise(seed);
      const rings = ringsOfRuns(runs).map((ring) =>
        Array.from({ length: ring.length / 2 }, (_, at) => [ring[2 * at], ring[2 * at + 1]] as const),
      );
      expect(runsOfRings(rings, runs.size).edges).toEqual(runs.edges);
    }
  });

  it('through logits bound nearly the same mask', () => {
    const frame = fitFrame({ height: 300, width: 451 });
    const rings = ringsOfLogits(waves(), frame).map((ring) =>
      Array.from({ length: ring.length / 2 }, (_, at) => [ring[2 * at], ring[2 * at + 1]] as const),
    );
    const painted = runsOfRings(rings, frame.original);
    expect(iou(painted, runsOfLogits(waves(), frame))).toBeGreaterThan(0.97);
  });

  it('are simplified within the tolerance', () => {
    const ring = Float32Array.from([0, 0, 5, 0.3, 10, 0, 10, 10, 0, 10]);
    expect([...simplifyRing(ring, 0.5)]).toEqual([0, 0, 10, 0, 10, 10, 0, 10]);
    expect(simplifyRing(ring, 0.1)).toHaveLength(10);
  });
});

describe('regions', () => {
  it.each(goldens.outline)('are those of Python, $size', ({ size, regions }) => {
    const parts = regionsOf(runsOfLogits(waves(), fitFrame(sizeOf(size))));
    expect(parts.map(areaOf)).toEqual(regions);
  });
});
