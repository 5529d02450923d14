// A binary mask as runs: sorted, disjoint [start, end) pairs in the column-major flattened picture, as COCO counts them.

import type { Box4, Size } from '../geometry.ts';

export interface Runs {
  readonly size: Size;
  /** start, end, start, end, … */
  readonly edges: Uint32Array;
}

export function emptyRuns(size: Size): Runs {
  return { size, edges: new Uint32Array(0) };
}

/** A growing list of runs that come in order; those that touch are joined. */
export class RunBuilder {
  private edges = new Uint32Array(1024);
  private length = 0;

  push(start: number, end: number): void {
    if (start >= end) return;
    if (this.length > 0 && this.edges[this.length - 1] === start) {
      this.edges[this.length - 1] = end;
      return;
    }
    if (this.length === this.edges.length) {
      const wider = new Uint32Array(2 * this.length);
      wider.set(this.edges);
      this.edges = wider;
    }
    this.edges[this.length++] = start;
    this.edges[this.length++] = end;
  }

  finish(size: Size): Runs {
    return { size, edges: this.edges.slice(0, this.length) };
  }
}

export function areaOf({ edges }: Runs): number {
  let area = 0;
  for (let at = 0; at < edges.length; at += 2) area += edges[at + 1] - edges[at];
  return area;
}

/** Smallest box around the mask, half open; all zero when it is empty. */
export function boxOf(runs: Runs): Box4 {
  const { edges, size } = runs;
  if (edges.length === 0) return [0, 0, 0, 0];
  let top = size.height;
  let bottom = 0;
  forColumns(runs, (_x, y0, y1) => {
    if (y0 < top) top = y0;
    if (y1 > bottom) bottom = y1;
  });
  const last = edges[edges.length - 1] - 1;
  return [Math.floor(edges[0] / size.height), top, Math.floor(last / size.height) + 1, bottom];
}

/** Visits the mask as vertical runs (x, top, bottom), in order. */
export function forColumns(
  { edges, size }: Runs,
  visit: (x: number, top: number, bottom: number) => void,
): void {
  const height = size.height;
  for (let at = 0; at < edges.length; at += 2) {
    const end = edges[at + 1];
    let start = edges[at];
    while (start < end) {
      const x = Math.floor(start / height);
      const stop = Math.min(end, (x + 1) * height);
      visit(x, start - x * height, stop - x * height);
      start = stop;
    }
  }
}

export function containsPixel({ edges, size }: Runs, x: number, y: number): boolean {
  if (x < 0 || y < 0 || x >= size.width || y >= size.height) return false;
  const place = Math.floor(x) * size.height + Math.floor(y);
  let low = 0;
  let high = edges.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[2 * middle + 1] <= place) low = middle + 1;
    else high = middle;
  }
  return 2 * low < edges.length && edges[2 * low] <= place;
}

type Rule = (first: boolean, second: boolean) => boolean;

/** Sweeps over the edges of both masks and keeps what the rule keeps. */
function combine(first: Runs, second: Runs, rule: Rule): Runs {
  const out = new RunBuilder();
  const [a, b] = [first.edges, second.edges];
  let [i, j] = [0, 0];
  let start = -1;
  while (i < a.length || j < b.length) {
    const place = Math.min(i < a.length ? a[i] : Infinity, j < b.length ? b[j] : Infinity);
    while (i < a.length && a[i] === place) i++;
    while (j < b.length && b[j] === place) j++;
    const kept = rule(i % 2 === 1, j % 2 === 1);
    if (kept && start < 0) start = place;
    else if (!kept && start >= 0) {
      out.push(start, place);
      start = -1;
    }
  }
  return out.finish(first.size);
}

export const union = (first: Runs, second: Runs): Runs => combine(first, second, (a, b) => a || b);
export const intersection = (first: Runs, second: Runs): Runs => combine(first, second, (a, b) => a && b);
export const difference = (first: Runs, second: Runs): Runs => combine(first, second, (a, b) => a && !b);

export function iou(first: Runs, second: Runs): number {
  const shared = areaOf(intersection(first, second));
  const all = areaOf(first) + areaOf(second) - shared;
  return all === 0 ? 1 : shared / all;
}

/** Encodes a row-major crop whose top-left pixel is (left, top) of a picture. */
export function runsOfCrop(crop: Uint8Array, crop_: Size, left: number, top: number, size: Size): Runs {
  const out = new RunBuilder();
  for (let x = 0; x < crop_.width; x++) {
    const column = (left + x) * size.height + top;
    let start = -1;
    for (let y = 0; y < crop_.height; y++) {
      const filled = crop[y * crop_.width + x] !== 0;
      if (filled && start < 0) start = y;
      else if (!filled && start >= 0) {
        out.push(column + start, column + y);
        start = -1;
      }
    }
    if (start >= 0) out.push(column + start, column + crop_.height);
  }
  return out.finish(size);
}

/** Row-major pixels (0 or 1) of the mask inside a box. */
export function denseCrop(runs: Runs, [x0, y0, x1, y1]: Box4): Uint8Array {
  const width = x1 - x0;
  const pixels = new Uint8Array(width * (y1 - y0));
  forColumns(runs, (x, top, bottom) => {
    if (x < x0 || x >= x1) return;
    for (let y = Math.max(top, y0); y < Math.min(bottom, y1); y++) pixels[(y - y0) * width + x - x0] = 1;
  });
  return pixels;
}

/** The mask moved; what leaves the picture is lost. */
export function shifted(runs: Runs, dx: number, dy: number): Runs {
  const { width, height } = runs.size;
  const out = new RunBuilder();
  forColumns(runs, (x, top, bottom) => {
    const column = x + dx;
    if (column < 0 || column >= width) return;
    out.push(column * height + clampTo(top + dy, height), column * height + clampTo(bottom + dy, height));
  });
  return out.finish(runs.size);
}

function clampTo(value: number, most: number): number {
  return Math.min(most, Math.max(0, value));
}

/** The mask on a picture of another size, stretched over it: each pixel is as the nearest one was. */
export function scaled(runs: Runs, { width, height }: Size): Runs {
  if (width === runs.size.width && height === runs.size.height) return runs;
  const size = { width, height };
  const columns: [number, number][][] = Array.from({ length: runs.size.width }, () => []);
  const down = height / runs.size.height;
  forColumns(runs, (x, top, bottom) => {
    columns[x].push([Math.ceil(top * down - 0.5), Math.ceil(bottom * down - 0.5)]);
  });
  const out = new RunBuilder();
  for (let x = 0; x < width; x++)
    for (const [top, bottom] of columns[Math.floor(((x + 0.5) * runs.size.width) / width)])
      out.push(x * height + top, x * height + bottom);
  return out.finish(size);
}
