// The quick decoder for a mouse that hovers: one logit per cell of 16 pixels of the model's frame, of one click.

import type { Frame } from '../geometry.ts';
import { GRID } from '../masks/upsample.ts';
import type { Granularity } from '../prompts/types.ts';
import { type Click, chooseOfThree } from './candidates.ts';
import { best } from './choice.ts';

/** Logits of one click's three masks, for every cell that the picture reaches into. */
export interface Sketch {
  readonly logits: Float32Array;
  readonly scores: Float32Array;
}

export interface Cells {
  readonly rows: number;
  readonly columns: number;
}

const COARSE = 16;
/** Prompt-grid cells from one logit to the next, and where in them the logit lies (see models/sam/scout.py). */
const [STEP, PLACE] = [4, 2];

export function cellsOf(frame: Frame): Cells {
  const side = frame.side / COARSE;
  return {
    rows: Math.min(side, Math.ceil(frame.resized.height / COARSE)),
    columns: Math.min(side, Math.ceil(frame.resized.width / COARSE)),
  };
}

/** The likeliest mask, as logits on the decoder's grid, and its score. */
export function chosen(
  { logits, scores }: Sketch,
  cells: Cells,
  wanted: Granularity,
  { at, choice }: Click,
): { logits: Float32Array; score: number } {
  const count = cells.rows * cells.columns;
  const masks = [0, 1, 2].map((index) => logits.subarray(index * count, (index + 1) * count));
  const shares = masks.map((mask) => mask.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0) / count);
  const index =
    choice && wanted === 'auto'
      ? best(choice, { ...cells, logits: masks, scores: [...scores] }, [at[0] / COARSE, at[1] / COARSE])
      : chooseOfThree(scores, shares, wanted);
  return { logits: enlarged(masks[index], cells), score: scores[index] };
}

/** Bilinear, from the cells' logits to the decoder's grid; the border is continued outwards. */
export function enlarged(logits: Float32Array, { rows, columns }: Cells): Float32Array {
  const out = new Float32Array(GRID * GRID);
  for (let y = 0; y < rows * STEP; y++) {
    const [top, bottom, down] = between(y, rows);
    for (let x = 0; x < columns * STEP; x++) {
      const [left, right, along] = between(x, columns);
      const above = mix(logits[top * columns + left], logits[top * columns + right], along);
      const below = mix(logits[bottom * columns + left], logits[bottom * columns + right], along);
      out[y * GRID + x] = mix(above, below, down);
    }
  }
  return out;
}

function between(place: number, count: number): [number, number, number] {
  const at = Math.min(count - 1, Math.max(0, (place - PLACE) / STEP));
  const low = Math.floor(at);
  return [low, Math.min(count - 1, low + 1), at - low];
}

function mix(a: number, b: number, share: number): number {
  return a + share * (b - a);
}
