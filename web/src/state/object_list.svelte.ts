// The list of objects: which are chosen, and what is done to them by hand.

import type { XY } from '../geometry.ts';
import { runsOfStroke } from '../masks/paint.ts';
import { areaOf, difference, emptyRuns, union } from '../masks/runs.ts';
import { t } from '../words/words.svelte.ts';
import {
  mergeObjects,
  moveObject,
  newObject,
  nextName,
  removeObjects,
  replaceObject,
  type StudioObject,
  splitObject,
} from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export class ObjectList {
  selected = $state.raw<ReadonlySet<string>>(new Set());
  pointed = $state<string | null>(null);
  /** Whose name is being typed. */
  renaming = $state<string | null>(null);

  constructor(private readonly studio: Studio) {}

  /** The objects of the current picture, from the bottom to the top. */
  get all(): readonly StudioObject[] {
    return this.studio.changes.work.objects;
  }

  /** The object that prompts and the brush speak of. */
  get active(): StudioObject | null {
    const { objects, active } = this.studio.changes.work;
    return objects.find(({ id }) => id === active) ?? null;
  }

  /** What the panel's commands work on. */
  get chosen(): readonly StudioObject[] {
    const { objects, active } = this.studio.changes.work;
    return objects.filter(({ id }) => this.selected.has(id) || id === active);
  }

  // Choosing

  select(ids: readonly string[]): void {
    this.selected = new Set(ids);
  }

  /** Makes an object the one that prompts speak of; null finishes the current one. */
  activate(id: string | null): void {
    this.select(id === null ? [] : [id]);
    this.studio.changes.setActive(id);
  }

  toggleSelected(id: string): void {
    const selected = new Set(this.chosen.map((object) => object.id));
    if (selected.has(id)) selected.delete(id);
    else selected.add(id);
    this.selected = selected;
    this.studio.changes.setActive(selected.size === 1 ? [...selected][0] : null);
  }

  // Changing

  change(id: string, change: Partial<StudioObject>, amend = false): void {
    const { changes } = this.studio;
    changes.commit(replaceObject(changes.work, id, change), amend);
  }

  /** Changes every object that a function returns a change for. */
  changeAll(changeOf: (object: StudioObject) => Partial<StudioObject> | null, amend = false): void {
    const { changes } = this.studio;
    const objects = this.all.map((object) => {
      const change = changeOf(object);
      return change ? { ...object, ...change } : object;
    });
    changes.commit({ ...changes.work, objects }, amend);
  }

  add(objects: readonly StudioObject[]): void {
    this.select([]);
    this.studio.changes.commit({ objects: [...this.all, ...objects], active: null });
  }

  remove(ids: readonly string[]): void {
    const { changes, notices } = this.studio;
    if (ids.length === 0) return notices.show(t('selectFirst'));
    this.select([]);
    changes.commit(removeObjects(changes.work, new Set(ids)));
    notices.say(t('deleted', { count: ids.length }));
  }

  move(id: string, step: number): void {
    const { changes } = this.studio;
    changes.commit(moveObject(changes.work, id, step));
  }

  merge(): void {
    const { changes, notices } = this.studio;
    const ids = new Set(this.chosen.map(({ id }) => id));
    if (ids.size < 2) return notices.show(t('mergeNone'));
    changes.commit(mergeObjects(changes.work, ids));
    this.select(changes.work.active ? [changes.work.active] : []);
  }

  split(): void {
    const { changes, notices } = this.studio;
    const [object] = this.chosen;
    if (!object) return notices.show(t('selectFirst'));
    const work = splitObject(changes.work, object.id);
    if (work === changes.work) return notices.show(t('splitNone'));
    changes.commit(work);
  }

  /** Paints into the active object, or wipes out of it; without one, painting begins an object. */
  paint(points: readonly XY[], width: number, erase: boolean): void {
    const { changes, notices, pictures } = this.studio;
    const { active, all } = this;
    const { image } = pictures;
    if (!image) return;
    if (!active && erase) return notices.show(t('selectFirst'));
    const stroke = runsOfStroke(points, width, image);
    const object = active ?? newObject(all, nextName(all, t('object')), emptyRuns(image));
    const mask = erase ? difference(object.mask, stroke) : union(object.mask, stroke);
    if (areaOf(mask) === 0) return active ? this.remove([active.id]) : undefined;
    const grown = active ? all : [...all, object];
    const painted = { mask, logits: null, plain: null, prompts: [], score: null, stability: null };
    changes.commit(replaceObject({ objects: grown, active: object.id }, object.id, painted));
    this.select([object.id]);
  }
}
