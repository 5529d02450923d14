// What Python computes (tools/studio_goldens.py), and the logits that both compute it from.

import type { Box4, Size, XY } from './geometry.ts';
import data from './goldens.json' with { type: 'json' };
import type { Granularity, Placed } from './prompts/types.ts';
import type { Segmentation } from './server/openapi.ts';

interface Goldens {
  upsample: { size: [number, number]; segmentation: Segmentation; area: number; box: Box4 }[];
  encode: {
    prompts: Placed[];
    points: XY[];
    labels: number[];
    ambiguous: boolean;
    again: boolean;
    masked: number | null;
  }[];
  choose: { size: [number, number]; chosen: Record<Granularity, number> }[];
  choice: { size: [number, number]; click: XY; order: number[]; values: number[]; best: number }[];
  correction: {
    size: [number, number];
    clicks: [number, number, number][];
    values: number[][];
    best: number[];
  }[];
  retouch: {
    size: [number, number];
    clicks: [number, number, number][];
    window: [number, number, number, number];
    pixels: number[];
    maps: number[];
    embedding: number[];
  }[];
  tidy: {
    size: [number, number];
    mask: Segmentation;
    points: XY[];
    labels: number[];
    tidied: Segmentation;
  }[];
  paint: {
    size: [number, number];
    ring: XY[];
    polygon: Segmentation;
    stroke: XY[];
    width: number;
    line: Segmentation;
  };
  outline: { size: [number, number]; rings: number; corners: number; regions: number[] }[];
}

export const goldens = data as unknown as Goldens;

export function sizeOf([height, width]: readonly [number, number]): Size {
  return { height, width };
}

/** Hills and valleys with holes and islands. */
export function waves(shift = 0, cut = 0): Float32Array {
  return Float32Array.from({ length: 256 * 256 }, (_, at) => {
    const [x, y] = [at % 256, Math.floor(at / 256)];
    const hills = Math.sin((x + shift) / 11) * Math.cos(y / 17) * 6;
    return Math.fround(hills + 3 - ((x - 90) ** 2 + (y - 70 - shift) ** 2) / 2500) - cut;
  });
}
