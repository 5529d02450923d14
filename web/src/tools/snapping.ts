// Places near an outline, or near the border of the picture, snap to it; edges between two such places follow it.

import type { Size, XY } from '../geometry.ts';
import { simplifyLine } from '../masks/outline.ts';

/** A place on an outline. */
export interface Snap {
  readonly at: XY;
  readonly ring: Float32Array;
  /** The corner of the ring before it; the number of corners wraps around. */
  readonly corner: number;
}

/** From so near, in CSS pixels, places snap. */
export const SNAP_PIXELS = 7;
/** An edge follows an outline that is at most so many times as long as the straight way: half a circle is. */
const DETOUR = 1.6;

const borders = new Map<string, Float32Array>();

/** The border of a picture as a ring. */
export function borderOf({ width, height }: Size): Float32Array {
  const name = `${width} ${height}`;
  const known = borders.get(name) ?? Float32Array.of(0, 0, width, 0, width, height, 0, height);
  borders.set(name, known);
  return known;
}

/** The nearest place of some rings, at most so far away; of corners, from half as far. */
export function snapTo(rings: Iterable<Float32Array>, at: XY, reach: number): Snap | null {
  let best: Snap | null = null;
  let least = reach;
  for (const ring of rings) {
    const count = ring.length / 2;
    for (let corner = 0; corner < count; corner++) {
      const place = nearestOfEdge(cornerOf(ring, corner), cornerOf(ring, corner + 1), at);
      const distance = Math.hypot(place[0] - at[0], place[1] - at[1]);
      if (distance > least || (distance === least && best)) continue;
      least = distance;
      best = { at: place, ring, corner };
    }
  }
  return best && ontoCorner(best, at, reach / 2);
}

function cornerOf(ring: Float32Array, corner: number): XY {
  const at = 2 * (corner % (ring.length / 2));
  return [ring[at], ring[at + 1]];
}

function nearestOfEdge([ax, ay]: XY, [bx, by]: XY, [x, y]: XY): XY {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const share = length ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
  return [ax + share * dx, ay + share * dy];
}

function ontoCorner(snap: Snap, [x, y]: XY, reach: number): Snap {
  for (const corner of [snap.corner, snap.corner + 1]) {
    const at = cornerOf(snap.ring, corner);
    if (Math.hypot(at[0] - x, at[1] - y) <= reach)
      return { at, ring: snap.ring, corner: corner % (snap.ring.length / 2) };
  }
  return snap;
}

/** The corners between two places on one outline, the shorter way round; none where the straight way is meant. */
export function wayBetween(from: Snap | null, to: Snap | null, tolerance: number): XY[] {
  if (!from || !to || from.ring !== to.ring) return [];
  const ways = [alongRing(from, to), alongRing(to, from).reverse()].map((way) => simpler(way, tolerance));
  const [way] = ways.sort((a, b) => lengthOf(a) - lengthOf(b));
  const straight = Math.hypot(to.at[0] - from.at[0], to.at[1] - from.at[1]);
  return lengthOf(way) > DETOUR * straight ? [] : way.slice(1, -1);
}

function simpler(way: readonly XY[], tolerance: number): XY[] {
  const line = simplifyLine(Float32Array.from(way.flat()), tolerance);
  return Array.from({ length: line.length / 2 }, (_, corner) => cornerOf(line, corner));
}

/** All places from one to another, in the direction of the ring. */
function alongRing(from: Snap, to: Snap): XY[] {
  const count = from.ring.length / 2;
  let steps = (to.corner - from.corner + count) % count;
  if (steps === 0 && behind(from, to)) steps = count;
  const corners = Array.from({ length: steps }, (_, step) => cornerOf(from.ring, from.corner + 1 + step));
  return [from.at, ...corners, to.at];
}

/** Whether the second of two places on one edge comes before the first. */
function behind(from: Snap, to: Snap): boolean {
  const [x, y] = cornerOf(from.ring, from.corner);
  return Math.hypot(to.at[0] - x, to.at[1] - y) < Math.hypot(from.at[0] - x, from.at[1] - y);
}

function lengthOf(way: readonly XY[]): number {
  return way.slice(1).reduce((sum, [x, y], at) => sum + Math.hypot(x - way[at][0], y - way[at][1]), 0);
}
