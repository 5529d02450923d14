// Painting outlines and strokes into masks: a pixel belongs when its centre lies inside.

import type { Size, XY } from '../geometry.ts';
import { emptyRuns, RunBuilder, type Runs, runsOfCrop } from './runs.ts';

/** Pixels inside an odd number of the closed rings, column by column (the even-odd rule). */
export function runsOfRings(rings: ReadonlyArray<readonly XY[]>, size: Size): Runs {
  const crossings: number[][] = Array.from({ length: size.width }, () => []);
  for (const ring of rings) {
    ring.forEach((start, index) => {
      addCrossings(crossings, start, ring[(index + 1) % ring.length], size);
    });
  }
  const out = new RunBuilder();
  crossings.forEach((rows, x) => {
    rows.sort((a, b) => a - b);
    for (let at = 0; at + 1 < rows.length; at += 2)
      out.push(x * size.height + rows[at], x * size.height + rows[at + 1]);
  });
  return out.finish(size);
}

/** For every column centre that an edge crosses: the first pixel row whose centre is at or below the crossing. */
function addCrossings(crossings: number[][], start: XY, end: XY, size: Size): void {
  const [low, high] = start[0] > end[0] ? [end, start] : [start, end];
  const first = Math.ceil(Math.min(size.width, Math.max(0, low[0])) - 0.5);
  const last = Math.ceil(Math.min(size.width, Math.max(0, high[0])) - 0.5);
  for (let x = first; x < last; x++) {
    const y = low[1] + ((x + 0.5 - low[0]) / (high[0] - low[0])) * (high[1] - low[1]);
    crossings[x].push(Math.ceil(Math.min(size.height, Math.max(0, y)) - 0.5));
  }
}

/** Pixels whose centre is at most `width / 2` from the line; those that hold its points are always painted. */
export function runsOfStroke(points: readonly XY[], width: number, size: Size): Runs {
  const radius = width / 2;
  const left = Math.max(0, Math.floor(Math.min(...points.map(([x]) => x)) - radius));
  const top = Math.max(0, Math.floor(Math.min(...points.map(([, y]) => y)) - radius));
  const right = Math.min(size.width, Math.ceil(Math.max(...points.map(([x]) => x)) + radius) + 1);
  const bottom = Math.min(size.height, Math.ceil(Math.max(...points.map(([, y]) => y)) + radius) + 1);
  if (right <= left || bottom <= top) return emptyRuns(size);
  const crop = { width: right - left, height: bottom - top };
  const pixels = new Uint8Array(crop.width * crop.height);
  points.forEach((point, index) => {
    paintPiece(pixels, crop, left, top, points[Math.max(0, index - 1)], point, radius);
    const [x, y] = [Math.floor(point[0]) - left, Math.floor(point[1]) - top];
    if (x >= 0 && y >= 0 && x < crop.width && y < crop.height) pixels[y * crop.width + x] = 1;
  });
  return runsOfCrop(pixels, crop, left, top, size);
}

function paintPiece(
  pixels: Uint8Array,
  crop: Size,
  left: number,
  top: number,
  [ax, ay]: XY,
  [bx, by]: XY,
  radius: number,
): void {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const [x0, x1] = [
    Math.floor(Math.min(ax, bx) - radius) - left,
    Math.ceil(Math.max(ax, bx) + radius) - left,
  ];
  const [y0, y1] = [Math.floor(Math.min(ay, by) - radius) - top, Math.ceil(Math.max(ay, by) + radius) - top];
  for (let y = Math.max(0, y0); y <= Math.min(crop.height - 1, y1); y++) {
    for (let x = Math.max(0, x0); x <= Math.min(crop.width - 1, x1); x++) {
      const [px, py] = [x + left + 0.5 - ax, y + top + 0.5 - ay];
      const share = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      if ((px - share * dx) ** 2 + (py - share * dy) ** 2 <= radius * radius) pixels[y * crop.width + x] = 1;
    }
  }
}
