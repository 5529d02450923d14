// What the decoder proposes, and which of its four masks answers, as segment/places/predictor.py chooses.

import type { Frame, XY } from '../geometry.ts';
import { CELL, GRID } from '../masks/upsample.ts';
import type { Granularity } from '../prompts/types.ts';
import { best, type Choice, type Three } from './choice.ts';

const [SIZE_PRICE, HALF_PRICE] = [0.03, 0.2];

/** What the decoder proposes for one object: masks of 256 × 256; 0 is the single-mask output. */
export interface Candidates {
  readonly logits: Float32Array;
  readonly scores: Float32Array;
}

export function logitsOf(candidates: Candidates, index: number): Float32Array {
  return candidates.logits.slice(index * GRID * GRID, (index + 1) * GRID * GRID);
}

/** A single click in the model's frame, and how to choose for it where the model has learned that. */
export interface Click {
  readonly at: XY;
  readonly choice: Choice | null;
}

export function choose(
  candidates: Candidates,
  click: Click | null,
  wanted: Granularity,
  frame: Frame,
): number {
  if (wanted === 'auto') {
    if (!click) return 0;
    const [x, y] = click.at;
    if (click.choice) return 1 + best(click.choice, threeOf(candidates, frame), [x / CELL, y / CELL]);
  }
  const shares = threeOf(candidates, frame).logits.map((mask) => countAbove(mask, 0) / mask.length);
  return 1 + chooseOfThree(candidates.scores.subarray(1), shares, wanted);
}

/** The three masks without the padding. */
function threeOf({ logits, scores }: Candidates, frame: Frame): Three {
  const masks = [1, 2, 3].map((index) => logits.subarray(index * GRID * GRID, (index + 1) * GRID * GRID));
  return { ...insideOf(masks, frame), scores: [...scores.subarray(1)] };
}

/** Masks of 256 × 256 without the padding. */
export function insideOf(
  masks: readonly Float32Array[],
  frame: Frame,
): { rows: number; columns: number; logits: Float32Array[] } {
  const [rows, columns] = [Math.ceil(frame.resized.height / CELL), Math.ceil(frame.resized.width / CELL)];
  const logits = masks.map((mask) => {
    const inside = new Float32Array(rows * columns);
    for (let y = 0; y < rows; y++) inside.set(mask.subarray(y * GRID, y * GRID + columns), y * columns);
    return inside;
  });
  return { rows, columns, logits };
}

/** Which of three nested answers: by score and by the share of the picture that each covers. */
export function chooseOfThree(scores: Float32Array, shares: readonly number[], wanted: Granularity): number {
  if (wanted !== 'auto') {
    const order = [0, 1, 2].sort((a, b) => shares[a] - shares[b] || a - b);
    return order[['part', 'object', 'whole'].indexOf(wanted)];
  }
  const worth = shares.map((share, at) => scores[at] - SIZE_PRICE * share - (share > 0.5 ? HALF_PRICE : 0));
  return worth.indexOf(Math.max(...worth));
}

/** Area above logit 1 over area above -1, in the picture's part of the grid; null when both are empty. */
export function stabilityOf(logits: Float32Array, frame: Frame): number | null {
  const [inside] = insideOf([logits], frame).logits;
  const loose = countAbove(inside, -1);
  return loose === 0 ? null : countAbove(inside, 1) / loose;
}

function countAbove(logits: Float32Array, least: number): number {
  return logits.reduce((count, value) => count + (value > least ? 1 : 0), 0);
}
