// One round of a dialogue about an object, as segment/places/refine.py: all prompts so far, with the logits of the last round.

import type { Frame, XY } from '../geometry.ts';
import { interiorPoints } from '../masks/distance.ts';
import { intersection, iou, type Runs, union } from '../masks/runs.ts';
import { tidied } from '../masks/specks.ts';
import { CELL, GRID, gridOfRuns, runsOfLogits } from '../masks/upsample.ts';
import { cellsOf, encode, gridBox, logitsOfGrid, type Tokens } from '../prompts/encode.ts';
import type { Granularity, Placed } from '../prompts/types.ts';
import { type Candidates, choose, insideOf, logitsOf, stabilityOf } from './candidates.ts';
import type { Choice } from './choice.ts';
import { BEFORE, DRAWN, FOLLOWED, type GridClick, likeliest } from './correction.ts';
import { remove } from './remove.ts';

/** What is known of an object: its prompts, its mask, and the logits of its last round when they are at hand. */
export interface Known {
  readonly prompts: readonly Placed[];
  readonly mask: Runs;
  readonly logits: Float32Array | null;
  /** Predicted IoU, where a network gave the mask. */
  readonly score: number | null;
  /** The mask before its border was drawn anew, which SAM goes on from; null where it is the mask itself. */
  readonly plain: Plain | null;
}

export interface Plain {
  readonly mask: Runs;
  readonly logits: Float32Array;
}

export interface Answer {
  readonly mask: Runs;
  /** Null when a server decoded, which keeps its logits to itself. */
  readonly logits: Float32Array | null;
  readonly score: number;
  readonly stability: number | null;
  readonly plain: Plain | null;
}

/** Runs the network on tokens of one object. */
export type Decode = (tokens: Tokens) => Promise<Candidates>;

/** Draws the border of a corrected mask anew: SAM's logits, those of the mask so far, all clicks. */
export type Retouch = (
  logits: Float32Array,
  before: Float32Array,
  clicks: readonly GridClick[],
) => Promise<Float32Array>;

/** A new mask that overlaps the old one by this IoU is taken as it is. */
const SETTLED = 0.7;

export async function answerLogits(
  decode: Decode,
  frame: Frame,
  before: Known | null,
  prompts: readonly Placed[],
  wanted: Granularity,
  choice: Choice | null = null,
): Promise<{ logits: Float32Array; score: number; found: Candidates; tokens: Tokens }> {
  const memory = before && (before.logits ?? logitsOfGrid(gridOfRuns(before.mask, frame)));
  const all = before ? [...before.prompts, ...prompts] : prompts;
  const tokens = memory ? standing(encode(all, frame, memory), all, memory, frame) : encode(all, frame, null);
  let found = await decode(tokens);
  if (wanted === 'auto' && tokens.again) found = await decode({ ...tokens, maskLogits: logitsOf(found, 0) });
  const click = tokens.ambiguous ? { at: tokens.points[0], choice } : null;
  const index = choose(found, click, wanted, frame);
  return { logits: logitsOf(found, index), score: found.scores[index], found, tokens };
}

export async function answer(
  decode: Decode,
  frame: Frame,
  before: Known | null,
  prompts: readonly Placed[],
  wanted: Granularity,
  choice: Choice | null = null,
  retouch: Retouch | null = null,
): Promise<Answer> {
  const soFar = before?.plain ? { ...before, ...before.plain } : before;
  const { tokens, ...found } = await decide(decode, frame, soFar, prompts, wanted, choice);
  if (!retouch) return { ...found, plain: null };
  if (!before?.logits || wanted !== 'auto' || !clicksOnly([...before.prompts, ...prompts]))
    return {
      ...found,
      mask: within(before, tidied(found.mask, tokens, frame), prompts, wanted),
      plain: null,
    };
  const logits = await retouch(found.logits, before.logits, clicksOf(tokens));
  const plain = { mask: found.mask, logits: found.logits };
  return {
    ...found,
    mask: tidied(runsOfLogits(logits, frame), tokens, frame),
    logits,
    stability: stabilityOf(logits, frame),
    plain,
  };
}

/** A speck that was dropped beside a larger mask must not come back because negative prompts made the mask shrink. */
function within(before: Known | null, mask: Runs, prompts: readonly Placed[], wanted: Granularity): Runs {
  const less = wanted === 'auto' && prompts.every(({ positive }) => !positive);
  return before && less ? intersection(mask, before.mask) : mask;
}

/** SAM's own answer, or the mask so far. */
async function decide(
  decode: Decode,
  frame: Frame,
  before: Known | null,
  prompts: readonly Placed[],
  wanted: Granularity,
  choice: Choice | null,
): Promise<Omit<Answer, 'plain' | 'logits'> & { logits: Float32Array; tokens: Tokens }> {
  const proposed = await answerLogits(decode, frame, before, prompts, wanted, choice);
  let { logits, score } = proposed;
  let mask = runsOfLogits(logits, frame);
  const more = directionOf(prompts);
  if (before && wanted === 'auto' && more !== null) {
    const old = before.logits ?? logitsOfGrid(gridOfRuns(before.mask, frame));
    const followed = without(old, logits, more);
    const usual = iou(before.mask, mask) < SETTLED ? FOLLOWED : DRAWN;
    let chosen = usual;
    const clicks = clicksOnly([...before.prompts, ...prompts]);
    if (choice && before.logits && before.score !== null && clicks) {
      const four = [0, 1, 2, 3].map((index) => logitsOf(proposed.found, index));
      const masks = [...four, followed, before.logits];
      const scores = [...proposed.found.scores, score, before.score];
      const six = { ...insideOf(masks, frame), scores };
      chosen = likeliest(choice.later, six, clicksOf(proposed.tokens), before.prompts.length, usual);
      if (chosen !== DRAWN && chosen !== FOLLOWED) {
        [logits, score] = [masks[chosen], scores[chosen]];
        mask = chosen === BEFORE ? before.mask : runsOfLogits(logits, frame);
      }
    }
    if (chosen === FOLLOWED) {
      logits = followed;
      mask = more ? union(mask, before.mask) : intersection(mask, before.mask);
    }
  }
  const learned = choice && before && clicksOnly([...before.prompts, ...prompts]);
  if (before && wanted === 'auto' && !learned && prompts.every(({ positive }) => !positive)) {
    const old = before.logits ?? logitsOfGrid(gridOfRuns(before.mask, frame));
    const answers = [logits, ...[0, 1, 2, 3].map((index) => logitsOf(proposed.found, index))];
    const [pointed, outlined] = drawn(prompts, frame);
    const left = await remove(old, answers, pointed, outlined, () => seenAt(decode, prompts, frame));
    logits = left ?? old;
    mask = left ? runsOfLogits(left, frame) : before.mask;
    if (!left) score = before.score ?? score;
  }
  return { mask, logits, score, stability: stabilityOf(logits, frame), tokens: proposed.tokens };
}

/** What is seen at negative places when they are clicked on, the largest first. */
async function seenAt(decode: Decode, prompts: readonly Placed[], frame: Frame): Promise<Float32Array[]> {
  const seen: Float32Array[] = [];
  for (const place of encode(prompts, frame, null).points.slice(0, -1)) {
    const found = await decode({
      points: [place, [0, 0]],
      labels: [1, -1],
      maskLogits: null,
      ambiguous: true,
      again: false,
    });
    const size = (logits: Float32Array): number =>
      logits.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0);
    seen.push(...[1, 2, 3].map((index) => logitsOf(found, index)).sort((a, b) => size(b) - size(a)));
  }
  return seen;
}

/** What prompts point at, on the grid, and what of it they outline. */
function drawn(prompts: readonly Placed[], frame: Frame): [Uint8Array, Uint8Array] {
  const [pointed, outlined] = [new Uint8Array(GRID * GRID), new Uint8Array(GRID * GRID)];
  for (const prompt of prompts) {
    const cells = cellsOf(prompt, frame);
    const outline = prompt.type === 'polygon' || prompt.type === 'mask';
    cells.forEach((value, at) => {
      if (!value) return;
      pointed[at] = 1;
      if (outline) outlined[at] = 1;
    });
  }
  return [pointed, outlined];
}

/** Where no place is positive, the mask so far stands for the words that it answers: its box and its deepest place. */
function standing(tokens: Tokens, prompts: readonly Placed[], memory: Float32Array, frame: Frame): Tokens {
  if (prompts.some(({ positive }) => positive)) return tokens;
  const inside = Uint8Array.from(memory, (value) => (value > 0 ? 1 : 0));
  const [rows, columns] = [frame.resized.height, frame.resized.width].map((side) => Math.ceil(side / CELL));
  for (let at = 0; at < inside.length; at++) if (at % GRID >= columns || at >= rows * GRID) inside[at] = 0;
  if (!inside.some((value) => value > 0)) return tokens;
  const corners = gridBox(inside);
  const spots = tokens.points.filter((_, at) => tokens.labels[at] === 0);
  for (const [x, y] of spots) {
    const [column, row] = [
      Math.min(columns - 1, Math.floor(x / CELL)),
      Math.min(rows - 1, Math.floor(y / CELL)),
    ];
    inside[row * GRID + column] = 0;
  }
  const middle = inside.some((value) => value > 0)
    ? interiorPoints(inside, GRID, 1).map(([x, y]): XY => [CELL * x - 0.5, CELL * y - 0.5])
    : [];
  return {
    ...tokens,
    points: [...middle, ...spots, ...corners],
    labels: [...middle.map(() => 1), ...spots.map(() => 0), 2, 3],
  };
}

function clicksOnly(prompts: readonly Placed[]): boolean {
  return prompts.every(({ type }) => type === 'point');
}

function clicksOf({ points, labels }: Tokens): GridClick[] {
  return points
    .map(([x, y], at) => ({
      x: x / CELL,
      y: y / CELL,
      positive: labels[at] === 1,
      placed: labels[at] === 0 || labels[at] === 1,
    }))
    .filter(({ placed }) => placed);
}

/** Whether clicks and strokes ask for more (true) or less (false); null for both, or for other prompts. */
function directionOf(prompts: readonly Placed[]): boolean | null {
  const kinds = new Set(
    prompts.map(({ type, positive }) => (type === 'point' || type === 'scribble' ? positive : null)),
  );
  return kinds.size === 1 ? [...kinds][0] : null;
}

/** A click that asks for more takes nothing away, and the other way round: SAM knows only the sum of all clicks. */
function without(old: Float32Array, logits: Float32Array, more: boolean): Float32Array {
  return logits.map((value, at) => {
    const undone = more ? old[at] > 0 && value <= 0 : value > 0 && old[at] <= 0;
    return undone ? old[at] : value;
  });
}
