// Tidying a mask: holes filled, specks dropped, its border smoothed.

import type { Box4 } from '../geometry.ts';
import { regionsOf } from './regions.ts';
import { areaOf, boxOf, denseCrop, difference, type Runs, runsOfCrop, union } from './runs.ts';

/** Regions smaller than this share of a mask are specks. */
const SPECK = 0.01;
/** The border is smoothed over so many pixels. */
const RADIUS = 3;

/** Fills what the mask encloses on all sides. */
export function withoutHoles(mask: Runs): Runs {
  if (areaOf(mask) === 0) return mask;
  const { width, height } = mask.size;
  const everything: Runs = { size: mask.size, edges: Uint32Array.of(0, width * height) };
  const holes = regionsOf(difference(everything, mask)).filter((region) => {
    const [x0, y0, x1, y1] = boxOf(region);
    return x0 > 0 && y0 > 0 && x1 < width && y1 < height;
  });
  return holes.reduce(union, mask);
}

/** Drops the small regions beside the largest one. */
export function withoutSpecks(mask: Runs): Runs {
  const [largest, ...others] = regionsOf(mask);
  if (!largest) return mask;
  const least = SPECK * areaOf(mask);
  return others.filter((region) => areaOf(region) >= least).reduce(union, largest);
}

/** Each pixel is as most of those around it are; a mask that would vanish stays. */
export function smoothed(mask: Runs): Runs {
  if (areaOf(mask) === 0) return mask;
  const { width, height } = mask.size;
  const [x0, y0, x1, y1] = boxOf(mask);
  // What lies beyond the picture is as its border: there is room around for it.
  const crop: Box4 = [x0 - RADIUS, y0 - RADIUS, x1 + RADIUS, y1 + RADIUS];
  const inside: Box4 = [
    Math.max(0, crop[0]),
    Math.max(0, crop[1]),
    Math.min(width, crop[2]),
    Math.min(height, crop[3]),
  ];
  const size = { width: inside[2] - inside[0], height: inside[3] - inside[1] };
  const pixels = denseCrop(mask, inside);
  const across = summed(pixels, size.width, size.height, 1, size.width);
  const both = summed(across.sums, size.height, size.width, size.width, 1);
  const kept = new Uint8Array(pixels.length);
  for (let y = 0; y < size.height; y++)
    for (let x = 0; x < size.width; x++) {
      const at = y * size.width + x;
      kept[at] = 2 * both.sums[at] > across.counts[x] * both.counts[y] ? 1 : 0;
    }
  const found = runsOfCrop(kept, size, inside[0], inside[1], mask.size);
  return areaOf(found) > 0 ? found : mask;
}

/** Sums over the places around each along one axis, and how many places that are. */
function summed(
  values: ArrayLike<number>,
  length: number,
  lines: number,
  step: number,
  stride: number,
): { sums: Float64Array; counts: number[] } {
  const sums = new Float64Array(length * lines);
  for (let line = 0; line < lines; line++) {
    const from = line * stride;
    let sum = 0;
    for (let at = 0; at < Math.min(RADIUS, length); at++) sum += values[from + at * step];
    for (let at = 0; at < length; at++) {
      if (at + RADIUS < length) sum += values[from + (at + RADIUS) * step];
      if (at > RADIUS) sum -= values[from + (at - RADIUS - 1) * step];
      sums[from + at * step] = sum;
    }
  }
  const counts = Array.from(
    { length },
    (_, at) => Math.min(length - 1, at + RADIUS) - Math.max(0, at - RADIUS) + 1,
  );
  return { sums, counts };
}
