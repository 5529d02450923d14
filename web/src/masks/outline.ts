// Outlines of masks as rings of corners: along pixel edges of a finished mask, and smoothly through raw logits.

import type { Frame } from '../geometry.ts';
import { forColumns, type Runs } from './runs.ts';
import { GRID } from './upsample.ts';

/** Closed lines of corners x, y, x, y, …; filled by the even-odd rule. */
export type Rings = Float32Array[];

const [RIGHT, DOWN, LEFT, UP] = [0, 1, 2, 3];

interface Edge {
  readonly to: number;
  readonly heading: number;
  used: boolean;
}

/** Traces a mask along the edges of its pixels, object on the right; pixels that touch at a corner stay apart. */
export function ringsOfRuns(runs: Runs): Rings {
  const stride = runs.size.width + 1;
  const leaving = new Map<number, Edge[]>();
  const add = (x0: number, y0: number, x1: number, y1: number, heading: number): void => {
    const edge = { to: y1 * stride + x1, heading, used: false };
    const from = y0 * stride + x0;
    const others = leaving.get(from);
    if (others) others.push(edge);
    else leaving.set(from, [edge]);
  };
  addEdges(runs, add);
  const rings: Rings = [];
  for (const [start, edges] of leaving) {
    for (const edge of edges) if (!edge.used) rings.push(walk(start, edge, leaving, stride));
  }
  return rings;
}

function addEdges(
  runs: Runs,
  add: (x0: number, y0: number, x1: number, y1: number, heading: number) => void,
): void {
  let before: number[] = [];
  let column: number[] = [];
  let place = -1;
  const close = (): void => {
    addVertical(before, column, place, add);
    before = column;
    column = [];
  };
  forColumns(runs, (x, top, bottom) => {
    if (x !== place) {
      if (place >= 0) close();
      if (x > place + 1) {
        place += 1;
        addVertical(before, [], place, add);
        before = [];
      }
      place = x;
    }
    column.push(top, bottom);
    add(x, top, x + 1, top, RIGHT);
    add(x + 1, bottom, x, bottom, LEFT);
  });
  if (place < 0) return;
  close();
  addVertical(before, [], place + 1, add);
}

/** Adds the vertical edges between two columns of runs: up where the object begins, down where it ends. */
function addVertical(
  left: readonly number[],
  right: readonly number[],
  x: number,
  add: (x0: number, y0: number, x1: number, y1: number, heading: number) => void,
): void {
  let [i, j, from] = [0, 0, 0];
  while (i < left.length || j < right.length) {
    const y = Math.min(i < left.length ? left[i] : Infinity, j < right.length ? right[j] : Infinity);
    const [wasLeft, wasRight] = [i % 2 === 1, j % 2 === 1];
    if (wasLeft !== wasRight && y > from) {
      if (wasRight) add(x, y, x, from, UP);
      else add(x, from, x, y, DOWN);
    }
    while (i < left.length && left[i] === y) i++;
    while (j < right.length && right[j] === y) j++;
    from = y;
  }
}

function walk(start: number, first: Edge, leaving: Map<number, Edge[]>, stride: number): Float32Array {
  const corners: number[] = [];
  let [place, edge] = [start, first];
  let heading = -1;
  do {
    edge.used = true;
    if (edge.heading !== heading) corners.push(place % stride, Math.floor(place / stride));
    heading = edge.heading;
    place = edge.to;
    const ways: Edge[] = leaving.get(place)!.filter((way) => !way.used);
    if (ways.length === 0) break;
    const right = (heading + 1) % 4;
    edge = ways.find((way) => way.heading === right) ?? ways[0];
  } while (place !== start || edge !== first);
  return Float32Array.from(corners);
}

/** Drops corners that lie within `tolerance` of the simpler line (Douglas-Peucker on a closed ring). */
export function simplifyRing(ring: Float32Array, tolerance: number): Float32Array {
  const count = ring.length / 2;
  if (tolerance <= 0 || count <= 4) return ring;
  const kept = new Uint8Array(count + 1);
  const far = farthest(ring);
  kept[0] = kept[far] = kept[count] = 1;
  keepCorners(ring, kept, [0, far, far, count], tolerance);
  const out = keptOf(ring, kept);
  return out.length >= 6 ? out : ring;
}

/** The same of a line with two ends, which stay. */
export function simplifyLine(line: Float32Array, tolerance: number): Float32Array {
  const count = line.length / 2;
  if (count <= 2) return line;
  const kept = new Uint8Array(count);
  kept[0] = kept[count - 1] = 1;
  keepCorners(line, kept, [0, count - 1], tolerance);
  return keptOf(line, kept);
}

/** Keeps, between pairs of corners that are kept, those that a straight line would miss. */
function keepCorners(line: Float32Array, kept: Uint8Array, pairs: number[], tolerance: number): void {
  while (pairs.length > 0) {
    const last = pairs.pop()!;
    const first = pairs.pop()!;
    const [at, distance] = worst(line, first, last);
    if (distance > tolerance) {
      kept[at] = 1;
      pairs.push(first, at, at, last);
    }
  }
}

function keptOf(line: Float32Array, kept: Uint8Array): Float32Array {
  const out: number[] = [];
  for (let at = 0; at < line.length / 2; at++) if (kept[at]) out.push(line[2 * at], line[2 * at + 1]);
  return Float32Array.from(out);
}

function farthest(ring: Float32Array): number {
  let [far, most] = [0, -1];
  for (let at = 0; at < ring.length / 2; at++) {
    const distance = (ring[2 * at] - ring[0]) ** 2 + (ring[2 * at + 1] - ring[1]) ** 2;
    if (distance > most) [far, most] = [at, distance];
  }
  return far;
}

function worst(ring: Float32Array, first: number, last: number): [at: number, distance: number] {
  const count = ring.length / 2;
  const [ax, ay] = [ring[2 * first], ring[2 * first + 1]];
  const [dx, dy] = [ring[2 * (last % count)] - ax, ring[2 * (last % count) + 1] - ay];
  const length = dx * dx + dy * dy;
  let [place, most] = [first, -1];
  for (let at = first + 1; at < last; at++) {
    const [px, py] = [ring[2 * at] - ax, ring[2 * at + 1] - ay];
    const share = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
    const distance = Math.hypot(px - share * dx, py - share * dy);
    if (distance > most) [place, most] = [at, distance];
  }
  return [place, most];
}

/**
 * Marching squares through the zero line of logits, in picture coordinates: the smooth outline that a mask will have,
 * without enlarging it. `width` × `height` is the picture's own part of the grid.
 */
export function ringsOfLogits(logits: Float32Array, frame: Frame): Rings {
  const cell = frame.side / GRID;
  const width = Math.ceil(frame.resized.width / cell);
  const height = Math.ceil(frame.resized.height / cell);
  const scaleX = (cell * frame.original.width) / frame.resized.width;
  const scaleY = (cell * frame.original.height) / frame.resized.height;
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= width || y >= height ? -1e9 : logits[y * GRID + x];
  // Crossings are named by the grid edge they lie on: 2 · place for edges to the right, 2 · place + 1 for edges down.
  const stride = width + 2;
  const next = new Map<number, number>();
  const name = (x: number, y: number, down: number): number => 2 * ((y + 1) * stride + x + 1) + down;
  for (let y = -1; y < height; y++) {
    for (let x = -1; x < width; x++) {
      const [a, b, c, d] = [at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)];
      const kind = (a > 0 ? 8 : 0) | (b > 0 ? 4 : 0) | (c > 0 ? 2 : 0) | (d > 0 ? 1 : 0);
      if (kind === 0 || kind === 15) continue;
      const [top, right, bottom, left] = [name(x, y, 0), name(x + 1, y, 1), name(x, y + 1, 0), name(x, y, 1)];
      const joined = a + b + c + d > 0;
      for (const [from, to] of segments(kind, joined, top, right, bottom, left)) next.set(from, to);
    }
  }
  const corner = (edge: number, out: number[]): void => {
    const place = edge >> 1;
    const [x, y] = [(place % stride) - 1, Math.floor(place / stride) - 1];
    const first = at(x, y);
    const second = edge & 1 ? at(x, y + 1) : at(x + 1, y);
    const share = Math.min(1, Math.max(0, first / (first - second)));
    // A mask that touches the border of the picture ends there, not at the centre of its last cell.
    let [px, py] = edge & 1 ? [x, y + share] : [x + share, y];
    if (edge & 1) py = y < 0 ? -0.5 : y + 1 >= height ? height : py;
    else px = x < 0 ? -0.5 : x + 1 >= width ? width : px;
    out.push(
      Math.min(frame.original.width, Math.max(0, (px + 0.5) * scaleX)),
      Math.min(frame.original.height, Math.max(0, (py + 0.5) * scaleY)),
    );
  };
  const rings: Rings = [];
  for (const start of next.keys()) {
    const ring: number[] = [];
    for (let edge: number | undefined = start; edge !== undefined && next.has(edge); ) {
      corner(edge, ring);
      const to: number = next.get(edge)!;
      next.delete(edge);
      edge = to === start ? undefined : to;
    }
    if (ring.length >= 6) rings.push(Float32Array.from(ring));
  }
  return rings;
}

type Segment = [from: number, to: number];

function segments(
  k: number,
  joined: boolean,
  top: number,
  right: number,
  bottom: number,
  left: number,
): Segment[] {
  switch (k) {
    case 1:
      return [[left, bottom]];
    case 2:
      return [[bottom, right]];
    case 3:
      return [[left, right]];
    case 4:
      return [[right, top]];
    case 5:
      return joined
        ? [
            [left, top],
            [right, bottom],
          ]
        : [
            [left, bottom],
            [right, top],
          ];
    case 6:
      return [[bottom, top]];
    case 7:
      return [[left, top]];
    case 8:
      return [[top, left]];
    case 9:
      return [[top, bottom]];
    case 10:
      return joined
        ? [
            [top, right],
            [bottom, left],
          ]
        : [
            [top, left],
            [bottom, right],
          ];
    case 11:
      return [[top, right]];
    case 12:
      return [[right, left]];
    case 13:
      return [[right, bottom]];
    case 14:
      return [[bottom, left]];
    default:
      return [];
  }
}
