// The places of prompts that a hand can take: points, corners of boxes, vertices of polygons and the middles between.

import { orderedBox, type XY } from '../geometry.ts';
import { isPlaced, type Prompt } from './types.ts';

export interface Handle {
  readonly kind: 'point' | 'corner' | 'vertex' | 'middle';
  /** Which prompt of the object. */
  readonly prompt: number;
  /** Which place of the prompt. */
  readonly place: number;
  readonly at: XY;
}

export function handlesOf(prompts: readonly Prompt[]): Handle[] {
  return prompts.flatMap((given, prompt): Handle[] => {
    if (!isPlaced(given)) return [];
    if (given.type === 'point') return [{ kind: 'point', prompt, place: 0, at: [given.x, given.y] }];
    if (given.type === 'box') {
      const [x0, y0, x1, y1] = given.box;
      const corners: XY[] = [
        [x0, y0],
        [x1, y0],
        [x1, y1],
        [x0, y1],
      ];
      return corners.map((at, place) => ({ kind: 'corner', prompt, place, at }));
    }
    if (given.type !== 'polygon') return [];
    const points = given.points as readonly XY[];
    const vertices = points.map((at, place): Handle => ({ kind: 'vertex', prompt, place, at }));
    const middles = points.map((at, place): Handle => {
      const next = points[(place + 1) % points.length];
      return { kind: 'middle', prompt, place, at: [(at[0] + next[0]) / 2, (at[1] + next[1]) / 2] };
    });
    return [...vertices, ...middles]; // vertices are taken before middles
  });
}

/** The handle nearest to a place, at most so far away. */
export function handleAt(handles: readonly Handle[], [x, y]: XY, reach: number): Handle | null {
  let best: Handle | null = null;
  let least = reach;
  for (const handle of handles) {
    const distance = Math.hypot(handle.at[0] - x, handle.at[1] - y);
    if (distance >= least && !(distance === least && best === null)) continue;
    best = handle;
    least = distance;
  }
  return best;
}

/** The prompts with a handle moved; moving a middle makes it a vertex. */
export function moved(prompts: readonly Prompt[], handle: Handle, to: XY): Prompt[] {
  return prompts.map((given, index) => {
    if (index !== handle.prompt) return given;
    if (given.type === 'point') return { ...given, x: to[0], y: to[1] };
    if (given.type === 'box') {
      const [x0, y0, x1, y1] = given.box;
      const left = handle.place === 0 || handle.place === 3;
      const top = handle.place < 2;
      const across: XY = [left ? x1 : x0, top ? y1 : y0];
      return { ...given, box: orderedBox(across, to) as [number, number, number, number] };
    }
    if (given.type !== 'polygon') return given;
    const points = [...given.points];
    if (handle.kind === 'middle') points.splice(handle.place + 1, 0, [to[0], to[1]]);
    else points[handle.place] = [to[0], to[1]];
    return { ...given, points };
  });
}

/** The prompts without a point or a vertex; null where that cannot be left out. */
export function without(prompts: readonly Prompt[], handle: Handle): Prompt[] | null {
  const given = prompts[handle.prompt];
  if (handle.kind === 'point') {
    const rest = prompts.filter((_, index) => index !== handle.prompt);
    return rest.some((prompt) => isPlaced(prompt) && prompt.positive) ? rest : null;
  }
  if (handle.kind !== 'vertex' || given.type !== 'polygon' || given.points.length <= 3) return null;
  const points = given.points.filter((_, index) => index !== handle.place);
  return prompts.map((prompt, index) => (index === handle.prompt ? { ...given, points } : prompt));
}
