// Drops the specks of a mask and fills its pinholes, exactly as segment/places/tidy.py.

import type { Frame, XY } from '../geometry.ts';
import { regionsOf } from './regions.ts';
import { areaOf, containsPixel, difference, emptyRuns, type Runs, union } from './runs.ts';

/** Of a mask's area: smaller regions go, and smaller holes are filled, unless they were clicked. */
const [ISLAND, HOLE] = [0.02, 0.005];
/** Pixels; places that went through the model's frame may come back a hair before their pixel. */
const NUDGE = 1e-3;

/** Points in the model's frame, with 1 on the object and 0 beside it. */
export interface Given {
  readonly points: readonly XY[];
  readonly labels: readonly number[];
}

export function tidied(mask: Runs, { points, labels }: Given, { original, resized }: Frame): Runs {
  const at = (label: number): XY[] =>
    points
      .filter((_, place) => labels[place] === label)
      .map(
        ([x, y]): XY => [
          (x * original.width) / resized.width + NUDGE,
          (y * original.height) / resized.height + NUDGE,
        ],
      );
  const whole = { size: mask.size, edges: Uint32Array.of(0, mask.size.height * mask.size.width) };
  const kept = withoutSmall(mask, ISLAND * areaOf(mask), at(1));
  return difference(whole, withoutSmall(difference(whole, kept), HOLE * areaOf(mask), at(0)));
}

/** Keeps the regions (8-connected) that are large, the largest or clicked. */
function withoutSmall(mask: Runs, least: number, clicked: readonly XY[]): Runs {
  const regions = regionsOf(mask, true);
  const kept = regions.filter(
    (region, place) =>
      place === 0 ||
      areaOf(region) >= Math.min(least, areaOf(regions[0])) ||
      clicked.some(([x, y]) => containsPixel(region, x, y)),
  );
  if (kept.length === regions.length) return mask;
  return kept.reduce(union, emptyRuns(mask.size));
}
