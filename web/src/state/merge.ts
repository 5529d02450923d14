// Two people's work on one picture, brought together object by object.

import type { StudioObject, Work } from './objects.ts';
import { toRecord } from './objects.ts';

export interface Merged {
  readonly work: Work;
  /** Objects that both have changed; mine were kept. */
  readonly clashes: readonly StudioObject[];
}

/** Whether two objects are the same to the server. */
export function same(first: StudioObject, second: StudioObject): boolean {
  return first === second || textOf(first) === textOf(second);
}

const texts = new WeakMap<StudioObject, string>();

function textOf(object: StudioObject): string {
  const known = texts.get(object);
  if (known !== undefined) return known;
  const { name, label, colour, visible, opacity, granularity, segmentation, prompts, suggested } =
    toRecord(object);
  const { size, counts } = segmentation as { size: unknown; counts: unknown };
  const kinds = prompts?.map(({ type }) => type);
  const text = JSON.stringify([
    name,
    label,
    colour,
    visible,
    opacity,
    granularity,
    size,
    counts,
    kinds,
    suggested,
  ]);
  texts.set(object, text);
  return text;
}

/**
 * Brings my work and theirs together, both made from `base`: what only one of us changed is as that one left it; of
 * what both changed, mine is kept. Who changes an object is stronger than who deletes it.
 */
export function mergeWork(
  base: readonly StudioObject[],
  mine: Work,
  theirs: readonly StudioObject[],
): Merged {
  const [before, others, own] = [base, theirs, mine.objects].map(byId);
  const clashes: StudioObject[] = [];
  const kept = mine.objects.flatMap((object) => {
    const [then, other] = [before.get(object.id), others.get(object.id)];
    if (!other) return then && same(object, then) ? [] : [object];
    if (then && same(other, then)) return [object];
    if (then && same(object, then)) return [other];
    if (!same(object, other)) clashes.push(object);
    return [object];
  });
  const added = theirs.filter((object) => {
    const then = before.get(object.id);
    return !own.has(object.id) && !(then && same(object, then));
  });
  const objects = [...kept, ...added];
  const shared = (list: readonly StudioObject[]): string =>
    list.flatMap(({ id }) => (before.has(id) && others.has(id) && own.has(id) ? [id] : [])).join(' ');
  if (shared(mine.objects) === shared(base) && shared(theirs) !== shared(base)) {
    const places = new Map(theirs.map(({ id }, place) => [id, place]));
    objects.sort((a, b) => (places.get(a.id) ?? Infinity) - (places.get(b.id) ?? Infinity) || 0);
  }
  return { work: { ...mine, objects }, clashes };
}

function byId(objects: readonly StudioObject[]): Map<string, StudioObject> {
  return new Map(objects.map((object) => [object.id, object]));
}
