// How deep pixels lie inside a mask, and good places to click. Exact squared distances by lower envelopes.

import type { XY } from '../geometry.ts';

/** Squared distance of each cell of a grid to the nearest cell outside the mask; the border is outside. */
export function squaredDepth(mask: Uint8Array, rows: number, columns: number): Float64Array {
  const wide = columns + 2;
  const high = rows + 2;
  const depth = new Float64Array(high * wide);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) if (mask[y * columns + x]) depth[(y + 1) * wide + x + 1] = 1e12;
  const down = new Float64Array(high);
  for (let x = 0; x < wide; x++) transform(depth, x, wide, down);
  const along = new Float64Array(wide);
  for (let y = 0; y < high; y++) transform(depth, y * wide, 1, along);
  const inner = new Float64Array(rows * columns);
  for (let y = 0; y < rows; y++)
    inner.set(depth.subarray((y + 1) * wide + 1, (y + 1) * wide + 1 + columns), y * columns);
  return inner;
}

function transform(values: Float64Array, offset: number, step: number, line: Float64Array): void {
  const count = line.length;
  for (let at = 0; at < count; at++) line[at] = values[offset + at * step];
  const vertex = new Int32Array(count);
  const border = new Float64Array(count + 1);
  let top = 0;
  border[0] = -Infinity;
  border[1] = Infinity;
  const meet = (p: number, q: number): number => (line[p] + p * p - line[q] - q * q) / (2 * p - 2 * q);
  for (let at = 1; at < count; at++) {
    let cut = meet(at, vertex[top]);
    while (cut <= border[top]) cut = meet(at, vertex[--top]);
    vertex[++top] = at;
    border[top] = cut;
    border[top + 1] = Infinity;
  }
  for (let at = 0, k = 0; at < count; at++) {
    while (border[k + 1] < at) k++;
    values[offset + at * step] = (at - vertex[k]) ** 2 + line[vertex[k]];
  }
}

/**
 * Up to `count` cell centres deep inside the mask and far from one another: the first is the deepest; each next one has
 * the greatest product of its depth and its distance to the nearest point before it.
 */
export function interiorPoints(mask: Uint8Array, side: number, count: number): XY[] {
  const depth = squaredDepth(mask, side, side).map(Math.sqrt);
  const apart = new Float64Array(depth.length).fill(Infinity);
  const area = mask.reduce((sum, value) => sum + (value ? 1 : 0), 0);
  const points: XY[] = [];
  while (points.length < Math.min(count, area)) {
    let [best, most] = [0, -1];
    for (let at = 0; at < depth.length; at++) {
      const worth = points.length ? depth[at] * apart[at] : depth[at];
      if (worth > most) [best, most] = [at, worth];
    }
    const [x, y] = [best % side, Math.floor(best / side)];
    points.push([x + 0.5, y + 0.5]);
    for (let at = 0; at < apart.length; at++) {
      apart[at] = Math.min(apart[at], Math.hypot((at % side) - x, Math.floor(at / side) - y));
    }
  }
  return points;
}
