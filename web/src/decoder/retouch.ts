// What the network sees that draws the border of a corrected mask anew, exactly as models/companions/retouch.py.

import { clamp } from '../geometry.ts';
import type { GridClick } from './correction.ts';

const [PIXELS, MAPS] = [12, 10];
/** Windows are so many cells apart and long, or several times as many, and leave so many around mask and clicks. */
const [STEP, MARGIN] = [16, 16];
const [LOGIT, MOST, OUTSIDE] = [5, 15, -10];
/** How far a click reaches, in cells: a bump of this deviation, and a cone that falls by 1 / e over this distance. */
const [NEAR, FAR] = [2, 12];
/** Cells of the mask grid along one cell of the embedding, and cells of the embedding along its side. */
const [COARSE, EMBEDDED] = [4, 64];
const [MIDDLE, SPREAD] = [0.45, 0.25];

/** A part of the grid; it may reach beyond the picture at the bottom and on the right. */
export interface Window {
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly columns: number;
}

/** Something of the picture's part of the grid, row by row. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** The picture with two pixels along each cell, RGBA as a canvas gives it. */
export interface Shades {
  readonly width: number;
  readonly data: Uint8ClampedArray;
}

export function windowOf(logits: Grid, before: Grid, clicks: readonly GridClick[]): Window {
  const { rows, columns } = logits;
  const seen = (y: number, x: number): boolean =>
    logits.values[y * columns + x] > 0 || before.values[y * columns + x] > 0;
  let [top, bottom, left, right] = [rows, 0, columns, 0];
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      if (!seen(y, x)) continue;
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      [left, right] = [Math.min(left, x), Math.max(right, x)];
    }
  }
  const down = span(rows, top, bottom, clicks.map(({ y }) => y)); // biome-ignore format: one line each
  const across = span(columns, left, right, clicks.map(({ x }) => x)); // biome-ignore format: one line each
  return { top: down.start, rows: down.length, left: across.start, columns: across.length };
}

function span(length: number, first: number, last: number, places: readonly number[]) {
  const low = Math.min(first, ...places);
  const high = Math.max(last, ...places);
  const start = Math.floor(Math.trunc(Math.max(0, low - MARGIN)) / STEP) * STEP;
  const stop = Math.min(length, Math.ceil(high + MARGIN));
  return { start, length: Math.max(STEP, Math.ceil((stop - start) / STEP) * STEP) };
}

/** An input of the network: its numbers and their shape. */
export interface Input {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/** What the network sees, by the names that the graph gives its inputs. */
export function inputsOf(
  shades: Shades,
  logits: Grid,
  before: Grid,
  clicks: readonly GridClick[],
  features: Float32Array,
  window: Window,
): Record<'pixels' | 'maps' | 'embedding', Input> {
  const { rows, columns } = window;
  const channels = features.length / EMBEDDED ** 2;
  return {
    pixels: { values: pixelsOf(shades, window), shape: [1, PIXELS, rows, columns] },
    maps: { values: mapsOf(logits, before, clicks, window), shape: [1, MAPS, rows, columns] },
    embedding: {
      values: embeddingOf(features, window),
      shape: [1, channels, rows / COARSE, columns / COARSE],
    },
  };
}

/** Masks and clicks of a window: (10, rows, columns). */
function mapsOf(logits: Grid, before: Grid, clicks: readonly GridClick[], window: Window): Float32Array {
  const count = window.rows * window.columns;
  const maps = new Float32Array(MAPS * count);
  [logits, before].forEach((grid, which) => {
    each(window, (at, y, x) => {
      const inside = y < grid.rows && x < grid.columns;
      const value = clamp(inside ? grid.values[y * grid.columns + x] : OUTSIDE, -MOST, MOST);
      maps[2 * which * count + at] = value / LOGIT;
      maps[(2 * which + 1) * count + at] = 1 / (1 + Math.exp(-value)) - 0.5;
    });
  });
  const newest = clicks[clicks.length - 1];
  each(window, (at, y, x) => {
    const nearest = [Infinity, Infinity];
    for (const click of clicks) {
      const sign = click.positive ? 0 : 1;
      nearest[sign] = Math.min(nearest[sign], squared(click, y, x));
    }
    nearest.forEach((distance, sign) => {
      maps[(4 + sign) * count + at] = bump(distance);
      maps[(6 + sign) * count + at] = cone(distance);
    });
    const distance = squared(newest, y, x);
    maps[8 * count + at] = (newest.positive ? 1 : -1) * bump(distance);
    maps[9 * count + at] = (newest.positive ? 1 : -1) * cone(distance);
  });
  return maps;
}

/** Calls for every cell of a window with its place in it and its row and column in the picture. */
function each(window: Window, call: (at: number, y: number, x: number) => void): void {
  for (let row = 0; row < window.rows; row++) {
    for (let column = 0; column < window.columns; column++)
      call(row * window.columns + column, window.top + row, window.left + column);
  }
}

function squared({ x, y }: GridClick, row: number, column: number): number {
  return (row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2;
}

const bump = (distance: number): number => Math.exp(-distance / (2 * NEAR ** 2));
const cone = (distance: number): number => Math.exp(-Math.sqrt(distance) / FAR);

/** Four pixels to a cell: (12, rows, columns), by row and column in the cell, then colour. */
function pixelsOf(shades: Shades, window: Window): Float32Array {
  const count = window.rows * window.columns;
  const [rows, columns] = [shades.data.length / 8 / shades.width, shades.width / 2];
  const pixels = new Float32Array(PIXELS * count);
  each(window, (at, y, x) => {
    if (y >= rows || x >= columns) return;
    for (let channel = 0; channel < PIXELS; channel++) {
      const [down, right, colour] = [Math.floor(channel / 6), Math.floor(channel / 3) % 2, channel % 3];
      const value = shades.data[4 * ((2 * y + down) * shades.width + 2 * x + right) + colour];
      pixels[channel * count + at] = (value / 255 - MIDDLE) / SPREAD;
    }
  });
  return pixels;
}

/** The window of an embedding (C, 64, 64): (C, rows / 4, columns / 4). */
function embeddingOf(features: Float32Array, window: Window): Float32Array {
  const [rows, columns] = [window.rows / COARSE, window.columns / COARSE];
  const [top, left] = [window.top / COARSE, window.left / COARSE];
  const channels = features.length / EMBEDDED ** 2;
  const found = new Float32Array(channels * rows * columns);
  for (let channel = 0; channel < channels; channel++) {
    for (let row = 0; row < Math.min(rows, EMBEDDED - top); row++) {
      const from = (channel * EMBEDDED + top + row) * EMBEDDED + left;
      const line = features.subarray(from, from + Math.min(columns, EMBEDDED - left));
      found.set(line, (channel * rows + row) * columns);
    }
  }
  return found;
}

/** Puts the answer about a window into logits of 256 × 256. */
export function pasted(
  logits: Float32Array,
  drawn: Float32Array,
  window: Window,
  rows: number,
  columns: number,
): Float32Array {
  const found = logits.slice();
  const side = Math.sqrt(logits.length);
  each(window, (at, y, x) => {
    if (y < rows && x < columns) found[y * side + x] = drawn[at];
  });
  return found;
}
