// What a negative prompt takes away from a mask, as segment/places/remove.py: the connected part that it points at.

import { squaredDepth } from '../masks/distance.ts';
import { GRID } from '../masks/upsample.ts';

/** The largest share of a mask that one round of negative prompts takes away. */
const MOST = 0.5;
/** The least certainty with which it is gone, in logits. */
const EDGE = 1;

type Area = Uint8Array;

/** Returns the logits of a mask less what negative prompts point at; null if they lie beside it. */
export async function remove(
  old: Float32Array,
  answers: readonly Float32Array[],
  pointed: Area,
  outlined: Area,
  ask: () => Promise<readonly Float32Array[]>,
): Promise<Float32Array | null> {
  const inside = areaWhere((at) => old[at] > 0);
  if (outlined.some((value, at) => value && inside[at])) return cut(old, outlined);
  const spots = areaWhere((at) => pointed[at] > 0 && inside[at] > 0);
  if (count(spots) === 0) return null;
  const most = MOST * count(inside);
  let heard = false;
  for (const logits of answers) {
    const gone = areaWhere((at) => inside[at] > 0 && logits[at] <= 0);
    const part = touching(gone, spots);
    const size = count(part);
    if (size > 0 && size <= most) return logits.map((value, at) => (gone[at] && !part[at] ? old[at] : value));
    heard ||= size > 0;
  }
  for (const logits of heard ? await ask() : []) {
    const part = touching(
      areaWhere((at) => inside[at] > 0 && logits[at] > 0),
      spots,
    );
    const size = count(part);
    if (size > 0 && size <= most) return cut(old, part);
  }
  return cut(old, near(inside, spots));
}

function areaWhere(holds: (at: number) => boolean): Area {
  return Uint8Array.from({ length: GRID * GRID }, (_, at) => (holds(at) ? 1 : 0));
}

function count(area: Area): number {
  return area.reduce((sum, value) => sum + value, 0);
}

function cut(logits: Float32Array, part: Area): Float32Array {
  return logits.map((value, at) => (part[at] ? Math.min(value, -EDGE) : value));
}

/** The connected parts of a region that hold a spot, corners included. */
function touching(region: Area, spots: Area): Area {
  const found = new Uint8Array(region.length);
  const open: number[] = [];
  const visit = (at: number): void => {
    if (region[at] && !found[at]) {
      found[at] = 1;
      open.push(at);
    }
  };
  spots.forEach((value, at) => {
    if (value) visit(at);
  });
  while (open.length > 0) {
    const at = open.pop()!;
    const [x, y] = [at % GRID, Math.floor(at / GRID)];
    for (let row = Math.max(0, y - 1); row <= Math.min(GRID - 1, y + 1); row++)
      for (let column = Math.max(0, x - 1); column <= Math.min(GRID - 1, x + 1); column++)
        visit(row * GRID + column);
  }
  return found;
}

/** What is nearer to a spot than half as deep as it lies in the mask. */
function near(inside: Area, spots: Area): Area {
  const depth = squaredDepth(inside, GRID, GRID);
  const found = new Uint8Array(inside.length);
  spots.forEach((value, spot) => {
    if (!value) return;
    const [x, y] = [spot % GRID, Math.floor(spot / GRID)];
    inside.forEach((within, at) => {
      if (within && ((at % GRID) - x) ** 2 + (Math.floor(at / GRID) - y) ** 2 <= depth[spot] / 4)
        found[at] = 1;
    });
  });
  return found;
}
