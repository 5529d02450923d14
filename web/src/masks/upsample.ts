// From the decoder's 256 × 256 logits to the mask of the picture: two bilinear enlargements (grid to padded frame, its
// unpadded part to the picture), joined into one sparse operator per axis, threshold last. As masks/upsample.py does it.

import type { Frame } from '../geometry.ts';
import { RunBuilder, type Runs } from './runs.ts';

/** Cells along each side of the decoder's grid, and pixels of the model's frame along each side of a cell. */
export const [GRID, CELL] = [256, 4];

/** Output i is the sum over t of weights[3 i + t] · input[starts[i] + t]. */
interface Axis {
  readonly starts: Int32Array;
  readonly weights: Float32Array;
}

function linear(inputs: number, outputs: number): { lower: Int32Array; share: Float64Array } {
  const scale = Math.fround(Math.fround(inputs) / Math.fround(outputs));
  const lower = new Int32Array(outputs);
  const share = new Float64Array(outputs);
  for (let out = 0; out < outputs; out++) {
    const place = Math.max(0, Math.fround(scale * (out + 0.5) - 0.5));
    lower[out] = Math.min(Math.floor(place), inputs - 1);
    share[out] = Math.min(1, Math.max(0, place - lower[out]));
  }
  return { lower, share };
}

const axes = new Map<string, Axis>();

function axisOf(original: number, resized: number, side: number): Axis {
  const key = `${original} ${resized} ${side}`;
  const known = axes.get(key);
  if (known) return known;
  const grid = linear(GRID, side);
  const frame = linear(resized, original);
  const starts = new Int32Array(original);
  const weights = new Float64Array(3 * original);
  for (let out = 0; out < original; out++) {
    const row = frame.lower[out];
    starts[out] = Math.min(grid.lower[row], GRID - 3);
    const next = Math.min(row + 1, resized - 1);
    for (const [at, weight] of [
      [row, 1 - frame.share[out]],
      [next, frame.share[out]],
    ]) {
      const below = grid.lower[at];
      const above = Math.min(below + 1, GRID - 1);
      weights[3 * out + below - starts[out]] += weight * (1 - grid.share[at]);
      weights[3 * out + above - starts[out]] += weight * grid.share[at];
    }
  }
  const axis = { starts, weights: new Float32Array(weights) };
  if (axes.size > 15) axes.clear();
  axes.set(key, axis);
  return axis;
}

/** Returns the mask of the picture where the enlarged logits exceed zero. */
export function runsOfLogits(logits: Float32Array, frame: Frame): Runs {
  const { height, width } = frame.original;
  const rows = axisOf(height, frame.resized.height, frame.side);
  const columns = axisOf(width, frame.resized.width, frame.side);
  const filled = filledColumns(logits);
  const out = new RunBuilder();
  const column = new Float32Array(GRID);
  for (let x = 0; x < width; x++) {
    const low = columns.starts[x];
    // Interpolation cannot exceed zero where none of its inputs does.
    if (!filled[low] && !filled[low + 1] && !filled[low + 2]) continue;
    const [a, b, c] = [columns.weights[3 * x], columns.weights[3 * x + 1], columns.weights[3 * x + 2]];
    for (let y = 0, at = low; y < GRID; y++, at += GRID) {
      column[y] = a * logits[at] + b * logits[at + 1] + c * logits[at + 2];
    }
    pushColumn(out, column, rows, x * height, height);
  }
  return out.finish(frame.original);
}

function filledColumns(logits: Float32Array): Uint8Array {
  const filled = new Uint8Array(GRID);
  for (let at = 0; at < logits.length; at++) if (logits[at] > 0) filled[at % GRID] = 1;
  return filled;
}

function pushColumn(out: RunBuilder, column: Float32Array, rows: Axis, base: number, height: number): void {
  const { starts, weights } = rows;
  let start = -1;
  for (let y = 0; y < height; ) {
    const low = starts[y];
    const [p, q, r] = [column[low], column[low + 1], column[low + 2]];
    let stop = y + 1;
    while (stop < height && starts[stop] === low) stop++;
    if (p > 0 && q > 0 && r > 0) {
      if (start < 0) start = y;
    } else if (p <= 0 && q <= 0 && r <= 0) {
      if (start >= 0) out.push(base + start, base + y);
      start = -1;
    } else {
      for (let at = y; at < stop; at++) {
        const inside = weights[3 * at] * p + weights[3 * at + 1] * q + weights[3 * at + 2] * r > 0;
        if (inside && start < 0) start = at;
        else if (!inside && start >= 0) {
          out.push(base + start, base + at);
          start = -1;
        }
      }
    }
    y = stop;
  }
  if (start >= 0) out.push(base + start, base + height);
}

/**
 * Brings a mask of the picture to the prompt grid: the share of each cell that it covers, 0 to 1 (256 × 256).
 * Area averages stand for Pillow's antialiased filter and the mean over cells that Python uses; the box and the
 * interior points that are read off it are the same to within a cell.
 */
export function gridOfRuns(runs: Runs, frame: Frame): Float32Array {
  const grid = new Float32Array(GRID * GRID);
  const cell = frame.side / GRID;
  const fx = frame.resized.width / frame.original.width / cell;
  const fy = frame.resized.height / frame.original.height / cell;
  const { height } = runs.size;
  for (let at = 0; at < runs.edges.length; at += 2) {
    const end = runs.edges[at + 1];
    for (let start = runs.edges[at]; start < end; ) {
      const x = Math.floor(start / height);
      const stop = Math.min(end, (x + 1) * height);
      addRectangle(grid, x * fx, (x + 1) * fx, (start - x * height) * fy, (stop - x * height) * fy);
      start = stop;
    }
  }
  normaliseBorder(grid, frame);
  return grid;
}

function addRectangle(grid: Float32Array, x0: number, x1: number, y0: number, y1: number): void {
  for (let column = Math.floor(x0); column < x1 && column < GRID; column++) {
    const wide = Math.min(x1, column + 1) - Math.max(x0, column);
    for (let row = Math.floor(y0); row < y1 && row < GRID; row++) {
      grid[row * GRID + column] += wide * (Math.min(y1, row + 1) - Math.max(y0, row));
    }
  }
}

/** The last cells may reach out of the picture; they count as if its border went on. */
function normaliseBorder(grid: Float32Array, frame: Frame): void {
  const cell = frame.side / GRID;
  const [lastColumn, wide] = [Math.ceil(frame.resized.width / cell) - 1, (frame.resized.width / cell) % 1];
  const [lastRow, high] = [Math.ceil(frame.resized.height / cell) - 1, (frame.resized.height / cell) % 1];
  if (wide > 0) for (let row = 0; row < GRID; row++) grid[row * GRID + lastColumn] /= wide;
  if (high > 0) for (let column = 0; column < GRID; column++) grid[lastRow * GRID + column] /= high;
}
