// Prompts to SAM's tokens, exactly as prompts/encode.py: labelled points, box corners or the pad, and a grid of logits.

import { clipBox, type Frame, factors, toModel, type XY } from '../geometry.ts';
import { fromCoco } from '../masks/coco.ts';
import { interiorPoints } from '../masks/distance.ts';
import { runsOfRings, runsOfStroke } from '../masks/paint.ts';
import { areaOf, denseCrop, type Runs } from '../masks/runs.ts';
import { CELL, GRID, gridOfRuns } from '../masks/upsample.ts';
import type { MaskPrompt, ScribblePrompt } from '../server/openapi.ts';
import type { Placed } from './types.ts';

const [NEGATIVE, POSITIVE, CORNER_START, CORNER_END, PAD] = [0, 1, 2, 3, -1];
const MASK_LOGIT = 10;
/** Two drawn areas that overlap by this IoU are drawings of one outline. */
const SAME = 0.5;
const GRID_SIZE = { height: GRID, width: GRID };

/** What of a drawn shape SAM is given: its box, so many interior points, its mask as logits. */
const FEEDS = {
  box: { box: false, points: 1, mask: false },
  polygon: { box: true, points: 1, mask: true },
  mask: { box: true, points: 1, mask: true },
  scribble: { box: false, points: 3, mask: false },
} as const;

export interface Tokens {
  /** x, y of each token in the model's frame. */
  readonly points: readonly XY[];
  readonly labels: readonly number[];
  readonly maskLogits: Float32Array | null;
  /** A single click and nothing else, for which SAM's three masks are meant. */
  readonly ambiguous: boolean;
  /** Strokes, perhaps with clicks on the object, whose first answer is better fed back once. */
  readonly again: boolean;
}

export function encode(prompts: readonly Placed[], frame: Frame, memory: Float32Array | null): Tokens {
  const points: XY[] = [];
  const labels: number[] = [];
  let corners: [XY, XY] | null = null;
  let drawn: Float32Array | null = null;
  for (const prompt of prompts) {
    const sign = prompt.positive ? POSITIVE : NEGATIVE;
    if (prompt.type === 'point') {
      points.push(toModel(frame, [prompt.x, prompt.y]));
      labels.push(sign);
    } else if (prompt.type === 'box' && prompt.positive) {
      const [x0, y0, x1, y1] = clipBox(prompt.box, frame.original);
      corners = [toModel(frame, [x0, y0]), toModel(frame, [x1, y1])];
    } else {
      const shape = drawOnGrid(prompt, frame);
      const feed = prompt.positive
        ? FEEDS[prompt.type]
        : { box: false, points: Math.max(1, FEEDS[prompt.type].points), mask: false };
      const places = placesOf(prompt, shape.inside, frame, feed.points);
      points.push(...places);
      labels.push(...places.map(() => sign));
      if (feed.box && !corners) corners = gridBox(shape.inside);
      if (feed.mask) drawn = drawn ? joined(drawn, shape.grid) : shape.grid;
    }
  }
  if (corners) {
    points.push(...corners);
    labels.push(CORNER_START, CORNER_END);
  } else {
    points.push([0, 0]);
    labels.push(PAD);
  }
  const maskLogits = drawn ? logitsOfGrid(drawn) : memory;
  return {
    points,
    labels,
    maskLogits,
    ambiguous: prompts.length === 1 && prompts[0].type === 'point' && !maskLogits,
    again:
      !maskLogits &&
      prompts.some(({ type }) => type === 'scribble') &&
      prompts.every(({ type, positive }) => positive && (type === 'scribble' || type === 'point')),
  };
}

/** Joins two drawn areas: parts of one object; or, where they mostly overlap, two drawings of one outline. */
function joined(one: Float32Array, other: Float32Array): Float32Array {
  const either = one.map((value, at) => Math.max(value, other[at]));
  const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);
  const shared = sum(one.map((value, at) => Math.min(value, other[at])));
  return shared >= SAME * sum(either) ? one.map((value, at) => (value + other[at]) / 2) : either;
}

/** The cells of the grid that a prompt covers. */
export function cellsOf(prompt: Placed, frame: Frame): Uint8Array {
  if (prompt.type !== 'point') return drawOnGrid(prompt, frame).inside;
  const inside = new Uint8Array(GRID * GRID);
  const [x, y] = toModel(frame, [prompt.x, prompt.y]).map((place) =>
    Math.min(GRID - 1, Math.floor(place / CELL)),
  );
  inside[y * GRID + x] = 1;
  return inside;
}

/** The logits that stand for a drawn mask; also the memory of a mask whose own logits are not at hand. */
export function logitsOfGrid(grid: Float32Array): Float32Array {
  return grid.map((value) => (2 * value - 1) * MASK_LOGIT);
}

interface Shape {
  readonly grid: Float32Array;
  readonly inside: Uint8Array;
}

function shapeOf(grid: Float32Array): Shape {
  return { grid, inside: Uint8Array.from(grid, (value) => (value > 0.5 ? 1 : 0)) };
}

function drawOnGrid(prompt: Exclude<Placed, { type: 'point' }>, frame: Frame): Shape {
  if (prompt.type === 'mask') return maskShape(prompt, frame);
  const scale = GRID / frame.side;
  const onGrid = (place: XY): XY => {
    const [x, y] = toModel(frame, place);
    return [x * scale, y * scale];
  };
  let outline: XY[];
  let runs: Runs;
  if (prompt.type === 'scribble') {
    outline = prompt.points.map(onGrid);
    runs = runsOfStroke(
      outline,
      Math.min(Math.max(1, prompt.width * scale * Math.max(...factors(frame))), 4 * GRID),
      GRID_SIZE,
    );
  } else {
    const [x0, y0, x1, y1] = prompt.type === 'box' ? clipBox(prompt.box, frame.original) : [0, 0, 0, 0];
    const ring: readonly XY[] =
      prompt.type === 'box'
        ? [
            [x0, y0],
            [x1, y0],
            [x1, y1],
            [x0, y1],
          ]
        : prompt.points;
    outline = ring.map(onGrid);
    runs = runsOfRings([outline], GRID_SIZE);
  }
  if (areaOf(runs) === 0) runs = runsOfStroke([...outline, outline[0]], 1, GRID_SIZE); // thinner than a cell
  const grid = Float32Array.from(denseCrop(runs, [0, 0, GRID, GRID]));
  const cell = frame.side / GRID;
  const [width, height] = [Math.ceil(frame.resized.width / cell), Math.ceil(frame.resized.height / cell)];
  for (let at = 0; at < grid.length; at++) if (at % GRID >= width || at >= height * GRID) grid[at] = 0;
  return shapeOf(grid);
}

function maskShape(prompt: MaskPrompt, frame: Frame): Shape {
  const grid = gridOfRuns(fromCoco(prompt.segmentation), frame);
  const most = grid.reduce((high, value) => Math.max(high, value), 0);
  return shapeOf(most > 0.5 ? grid : grid.map((value) => value / (most || 1)));
}

function placesOf(prompt: Placed, inside: Uint8Array, frame: Frame, count: number): XY[] {
  const along = prompt.type === 'scribble' ? alongStroke(prompt, frame, count) : [];
  if (count === 0 || along.length > 0) return along;
  return interiorPoints(inside, GRID, count).map(([x, y]): XY => [CELL * x - 0.5, CELL * y - 0.5]);
}

/** Places points at equal distances along a stroke, from its start to its end, inside the picture. */
function alongStroke(stroke: ScribblePrompt, frame: Frame, count: number): XY[] {
  const line = stroke.points.map((place) => toModel(frame, place));
  const lengths = [0];
  for (let at = 1; at < line.length; at++) {
    lengths.push(lengths[at - 1] + Math.hypot(line[at][0] - line[at - 1][0], line[at][1] - line[at - 1][1]));
  }
  const total = lengths[lengths.length - 1];
  const places: XY[] = [];
  for (let index = 0; index < count; index++) {
    const place = placeAt(line, lengths, count === 1 ? 0 : (total * index) / (count - 1));
    const within =
      place[0] >= 0 && place[1] >= 0 && place[0] <= frame.resized.width && place[1] <= frame.resized.height;
    if (within && !places.some(([x, y]) => x === place[0] && y === place[1])) places.push(place);
  }
  return places;
}

function placeAt(line: readonly XY[], lengths: readonly number[], distance: number): XY {
  let at = 1;
  while (at < line.length - 1 && lengths[at] < distance) at++;
  if (line.length === 1) return line[0];
  const piece = lengths[at] - lengths[at - 1];
  const share = piece ? (distance - lengths[at - 1]) / piece : 0;
  const [[ax, ay], [bx, by]] = [line[at - 1], line[at]];
  return [ax + share * (bx - ax), ay + share * (by - ay)];
}

/** Corners of the box around cells, in the model's frame. */
export function gridBox(inside: Uint8Array): [XY, XY] {
  let [x0, y0, x1, y1] = [GRID, GRID, -1, -1];
  for (let at = 0; at < inside.length; at++) {
    if (!inside[at]) continue;
    const [x, y] = [at % GRID, Math.floor(at / GRID)];
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
  }
  return [
    [CELL * x0, CELL * y0],
    [CELL * (x1 + 1), CELL * (y1 + 1)],
  ];
}
