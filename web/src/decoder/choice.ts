// Which of three masks answers a single click, exactly as models/companions/choice.py: a small network on how the masks look.

import { squaredDepth } from '../masks/distance.ts';
import { outputsOf, type Perceptron } from './perceptron.ts';

/** What was learned, as the server sends it. */
export interface Choice {
  /** Of the three masks of a single click. */
  readonly first: Perceptron;
  /** Judges the candidates of a correcting click; see correction.ts. */
  readonly later: Perceptron;
}

/** Three masks on a grid that just covers the picture. */
export interface Three {
  readonly rows: number;
  readonly columns: number;
  /** Each of rows · columns. */
  readonly logits: readonly Float32Array[];
  readonly scores: readonly number[];
}

/** Depth is measured on every second cell of a grid with more cells than this along its longer side. */
const FINEST = 128;

/** Index of the likeliest mask; the click is in cells of the grid. */
export function best(choice: Choice, three: Three, click: readonly [number, number]): number {
  const { order, values } = features(three, click);
  const outputs = outputsOf(choice.first, values);
  return order[outputs.indexOf(Math.max(...outputs))];
}

export function features(
  { rows, columns, logits, scores }: Three,
  click: readonly [number, number],
): { order: number[]; values: number[] } {
  const masks = logits.map((each) => Uint8Array.from(each, (value) => (value > 0 ? 1 : 0)));
  const areas = masks.map((mask) => mask.reduce((sum, value) => sum + value, 0));
  const order = [0, 1, 2].sort((a, b) => areas[a] - areas[b] || a - b);
  const x = Math.min(columns - 1, Math.floor(click[0]));
  const y = Math.min(rows - 1, Math.floor(click[1]));
  const looks = order.flatMap((at) => [
    scores[at],
    ...look(logits[at], masks[at], areas[at], rows, columns, x, y),
  ]);
  const pairs = [
    [0, 1],
    [0, 2],
    [1, 2],
  ];
  const overlaps = pairs.map(([a, b]) => iou(masks[order[a]], masks[order[b]]));
  return { order, values: [...looks, ...overlaps, rows / columns] };
}

function look(
  logits: Float32Array,
  mask: Uint8Array,
  area: number,
  rows: number,
  columns: number,
  x: number,
  y: number,
): number[] {
  let [strict, loose, certainty] = [0, 0, 0];
  let [left, right, top, bottom] = [columns, -1, rows, -1];
  const borders = [0, 0, 0, 0];
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) {
      const value = logits[at];
      if (value > 1) strict++;
      if (value > -1) loose++;
      if (!mask[at]) continue;
      certainty += value;
      left = Math.min(left, column);
      right = Math.max(right, column);
      top = Math.min(top, row);
      bottom = Math.max(bottom, row);
      if (row === 0) borders[0] += 1 / columns;
      if (row === rows - 1) borders[1] += 1 / columns;
      if (column === 0) borders[2] += 1 / rows;
      if (column === columns - 1) borders[3] += 1 / rows;
    }
  }
  const stability = strict / Math.max(1, loose);
  if (area === 0) return [stability, ...Array<number>(10).fill(0)];
  const [tall, wide] = [bottom - top + 1, right - left + 1];
  const share = area / (rows * columns);
  return [
    stability,
    certainty / area / 10,
    share,
    Math.log(share) / 5,
    tall / rows,
    wide / columns,
    area / (tall * wide),
    Math.max(...borders),
    borders.reduce((sum, value) => sum + value, 0),
    depth(mask, rows, columns, x, y),
    mask[y * columns + x],
  ];
}

/** How deep the click lies, as a share of the deepest place; 0 outside. */
function depth(mask: Uint8Array, rows: number, columns: number, x: number, y: number): number {
  const step = Math.max(rows, columns) > FINEST ? 2 : 1;
  const [high, wide] = [Math.ceil(rows / step), Math.ceil(columns / step)];
  const coarse = new Uint8Array(high * wide);
  for (let row = 0; row < high; row++)
    for (let column = 0; column < wide; column++)
      coarse[row * wide + column] = mask[step * row * columns + step * column];
  const place = Math.floor(y / step) * wide + Math.floor(x / step);
  if (!coarse[place]) return 0;
  const squared = squaredDepth(coarse, high, wide);
  const deepest = squared.reduce((most, value) => Math.max(most, value), 0);
  return Math.sqrt(squared[place]) / Math.max(1, Math.sqrt(deepest));
}

function iou(a: Uint8Array, b: Uint8Array): number {
  let [both, either] = [0, 0];
  for (let at = 0; at < a.length; at++) {
    both += a[at] & b[at];
    either += a[at] | b[at];
  }
  return both / Math.max(1, either);
}
