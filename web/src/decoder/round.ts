// One round of a dialogue about an object, as segment/places/refine.py: all prompts so far, with the logits of the last round.

import type { Frame } from '../geometry.ts';
import { intersection, iou, type Runs, union } from '../masks/runs.ts';
import { CELL, gridOfRuns, runsOfLogits } from '../masks/upsample.ts';
import { encode, logitsOfGrid, type Tokens } from '../prompts/encode.ts';
import type { Granularity, Placed } from '../prompts/types.ts';
import { type Candidates, choose, insideOf, logitsOf, stabilityOf } from './candidates.ts';
import type { Choice } from './choice.ts';
import { BEFORE, DRAWN, FOLLOWED, type GridClick, likeliest } from './correction.ts';

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
  const tokens = encode(before ? [...before.prompts, ...prompts] : prompts, frame, memory);
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
  if (!retouch || !before?.logits || wanted !== 'auto' || !clicksOnly([...before.prompts, ...prompts]))
    return { ...found, plain: null };
  const logits = await retouch(found.logits, before.logits, clicksOf(tokens));
  const plain = { mask: found.mask, logits: found.logits };
  return {
    ...found,
    mask: runsOfLogits(logits, frame),
    logits,
    stability: stabilityOf(logits, frame),
    plain,
  };
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
  const drawn = await answerLogits(decode, frame, before, prompts, wanted, choice);
  let { logits, score } = drawn;
  let mask = runsOfLogits(logits, frame);
  const more = directionOf(prompts);
  if (before && wanted === 'auto' && more !== null) {
    const old = before.logits ?? logitsOfGrid(gridOfRuns(before.mask, frame));
    const followed = without(old, logits, more);
    const usual = iou(before.mask, mask) < SETTLED ? FOLLOWED : DRAWN;
    let chosen = usual;
    const clicks = clicksOnly([...before.prompts, ...prompts]);
    if (choice && before.logits && before.score !== null && clicks) {
      const four = [0, 1, 2, 3].map((index) => logitsOf(drawn.found, index));
      const masks = [...four, followed, before.logits];
      const scores = [...drawn.found.scores, score, before.score];
      const six = { ...insideOf(masks, frame), scores };
      chosen = likeliest(choice.later, six, clicksOf(drawn.tokens), before.prompts.length, usual);
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
  return { mask, logits, score, stability: stabilityOf(logits, frame), tokens: drawn.tokens };
}

function clicksOnly(prompts: readonly Placed[]): boolean {
  return prompts.every(({ type }) => type === 'point');
}

function clicksOf({ points, labels }: Tokens): GridClick[] {
  return points
    .map(([x, y], at) => ({ x: x / CELL, y: y / CELL, positive: labels[at] === 1, placed: labels[at] >= 0 }))
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
