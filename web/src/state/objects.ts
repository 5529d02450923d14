// The objects of a picture: immutable values, and what can be done with them.

import type { Plain } from '../decoder/round.ts';
import { fromCoco, toCoco } from '../masks/coco.ts';
import { regionsOf } from '../masks/regions.ts';
import { areaOf, type Runs, union } from '../masks/runs.ts';
import { GRANULARITIES, type Granularity, type Prompt } from '../prompts/types.ts';
import type { ObjectBody, Segmentation } from '../server/openapi.ts';

export interface StudioObject {
  readonly id: string;
  readonly name: string;
  readonly label: string | null;
  readonly colour: string;
  readonly visible: boolean;
  readonly opacity: number;
  readonly mask: Runs;
  readonly prompts: readonly Prompt[];
  readonly granularity: Granularity;
  readonly score: number | null;
  readonly stability: number | null;
  /** Found by a run over many pictures, and neither accepted nor rejected yet. */
  readonly suggested: boolean;
  /** How long it was worked on. */
  readonly seconds: number;
  /** Raw logits of the last round, while this page lives. */
  readonly logits: Float32Array | null;
  /** The mask before its border was drawn anew, while this page lives. */
  readonly plain: Plain | null;
}

/** All that undo brings back. */
export interface Work {
  readonly objects: readonly StudioObject[];
  /** The object that prompts and the brush speak of. */
  readonly active: string | null;
}

export const NO_WORK: Work = { objects: [], active: null };
export const OPACITY = 0.45;
/** What label files call objects that have no class. */
export const UNLABELLED = 'object';

/** Told apart also by many who see colours differently; legible on dark and light pictures. */
// biome-ignore format: a palette
export const COLOURS = [
  '#2f9e8f', '#e4572e', '#4f7cff', '#f2b134', '#b565d9', '#5cb85c',
  '#ef6f9c', '#1fa2c8', '#a97142', '#8a9a1f', '#6a5acd', '#d94b6a',
] as const;

export function freshId(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(0, 12);
}

/** The first colour of the palette that is used least. */
export function nextColour(objects: readonly StudioObject[]): string {
  const uses = COLOURS.map((colour) => objects.filter((object) => object.colour === colour).length);
  return COLOURS[uses.indexOf(Math.min(...uses))];
}

export function newObject(
  objects: readonly StudioObject[],
  name: string,
  mask: Runs,
  details: Partial<StudioObject> = {},
): StudioObject {
  return {
    id: freshId(),
    name,
    label: null,
    colour: nextColour(objects),
    visible: true,
    opacity: OPACITY,
    mask,
    prompts: [],
    granularity: 'auto',
    score: null,
    stability: null,
    suggested: false,
    seconds: 0,
    logits: null,
    plain: null,
    ...details,
  };
}

const DAY_SECONDS = 86_400;

/** Shares the time that a change took among the objects that it made or changed. */
export function timed(work: Work, before: Work, seconds: number): Work {
  const known = new Set(before.objects);
  const count = work.objects.filter((object) => !known.has(object)).length;
  if (count === 0 || seconds === 0) return work;
  const longer = (object: StudioObject): StudioObject => ({
    ...object,
    seconds: Math.min(DAY_SECONDS, object.seconds + seconds / count),
  });
  return { ...work, objects: work.objects.map((object) => (known.has(object) ? object : longer(object))) };
}

/** Names are "Object 1", "Object 2", …: the number goes on from the largest in use. */
export function nextName(objects: readonly StudioObject[], word: string): string {
  const numbers = objects.map(({ name }) => Number(/(\d+)$/.exec(name)?.[1] ?? 0));
  return `${word} ${Math.max(0, ...numbers) + 1}`;
}

export function replaceObject(work: Work, id: string, change: Partial<StudioObject>): Work {
  return {
    ...work,
    objects: work.objects.map((object) => (object.id === id ? { ...object, ...change } : object)),
  };
}

export function removeObjects(work: Work, ids: ReadonlySet<string>): Work {
  return {
    objects: work.objects.filter(({ id }) => !ids.has(id)),
    active: work.active !== null && ids.has(work.active) ? null : work.active,
  };
}

/** Moves an object nearer to the top (+1) or to the bottom (-1). */
export function moveObject(work: Work, id: string, step: number): Work {
  const from = work.objects.findIndex((object) => object.id === id);
  const to = Math.min(work.objects.length - 1, Math.max(0, from + step));
  if (from < 0 || from === to) return work;
  const objects = [...work.objects];
  objects.splice(to, 0, ...objects.splice(from, 1));
  return { ...work, objects };
}

/** Joins objects into the topmost of them; what only prompts knew is kept with the mask. */
export function mergeObjects(work: Work, ids: ReadonlySet<string>): Work {
  const parts = work.objects.filter(({ id }) => ids.has(id));
  if (parts.length < 2) return work;
  const top = parts[parts.length - 1];
  const merged: StudioObject = {
    ...top,
    suggested: false,
    mask: parts.map(({ mask }) => mask).reduce(union),
    seconds: parts.reduce((sum, { seconds }) => sum + seconds, 0),
    prompts: [],
    logits: null,
    plain: null,
    score: null,
    stability: null,
  };
  const objects = work.objects.filter(({ id }) => id === top.id || !ids.has(id));
  return { objects: objects.map((object) => (object.id === top.id ? merged : object)), active: top.id };
}

/** Specks smaller than this share of the mask stay with its largest region. */
const SPECK = 0.002;

/** Makes each connected region an object of its own. */
export function splitObject(work: Work, id: string): Work {
  const at = work.objects.findIndex((object) => object.id === id);
  const whole = work.objects[at];
  if (!whole) return work;
  const [largest, ...others] = regionsOf(whole.mask);
  const least = SPECK * areaOf(whole.mask);
  const parts = others.filter((region) => areaOf(region) >= least);
  if (parts.length === 0) return work;
  const rest = others.filter((region) => areaOf(region) < least).reduce(union, largest);
  const made: StudioObject[] = [
    { ...whole, mask: rest, prompts: [], logits: null, plain: null, score: null, stability: null },
  ];
  for (const mask of parts) {
    const siblings = [...work.objects, ...made.slice(1)];
    made.push({
      ...made[0],
      id: freshId(),
      name: `${whole.name} · ${made.length + 1}`,
      colour: whole.label ? whole.colour : nextColour(siblings),
      seconds: 0,
      mask,
    });
  }
  const objects = [...work.objects];
  objects.splice(at, 1, ...made);
  return { ...work, objects };
}

const written = new WeakMap<Runs, Segmentation>();

/** COCO's form of a mask; it is asked for at every save, and masks never change. */
function cocoOf(mask: Runs): Segmentation {
  const known = written.get(mask) ?? toCoco(mask);
  written.set(mask, known);
  return known;
}

export function toRecord(object: StudioObject): ObjectBody {
  const { id, name, label, colour, visible, opacity, score, granularity, prompts } = object;
  return {
    id,
    segmentation: cocoOf(object.mask),
    name,
    label,
    colour,
    visible,
    opacity,
    score,
    stability_score: object.stability,
    granularity,
    prompts,
    suggested: object.suggested,
    seconds: Math.round(10 * object.seconds) / 10,
    locked: false,
    extra: {},
  };
}

export function fromRecord(record: ObjectBody, others: readonly StudioObject[], word: string): StudioObject {
  const granularity = GRANULARITIES.find((name) => name === record.granularity) ?? 'auto';
  return newObject(
    others,
    record.name ?? record.label ?? nextName(others, word),
    fromCoco(record.segmentation),
    {
      id: record.id,
      label: record.label ?? null,
      colour: record.colour ?? nextColour(others),
      visible: record.visible,
      opacity: record.opacity,
      prompts: record.prompts,
      granularity,
      score: record.score ?? null,
      stability: record.stability_score ?? null,
      suggested: record.suggested ?? false,
      seconds: record.seconds ?? 0,
    },
  );
}
