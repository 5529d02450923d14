// The list of objects: which are chosen, and what is done to them by hand.

import type { XY } from '../geometry.ts';
import { runsOfStroke } from '../masks/paint.ts';
import { areaOf, difference, emptyRuns, type Runs, scaled, shifted, union } from '../masks/runs.ts';
import { t } from '../words/words.svelte.ts';
import {
  freshId,
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

/** What is no longer known of a mask that was changed by hand. */
export const BY_HAND = {
  logits: null,
  plain: null,
  prompts: [],
  score: null,
  stability: null,
  suggested: false,
} as const;

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

  /** Adds objects to a picture, whether it is on show or not. */
  add(picture: string, objects: readonly StudioObject[]): void {
    const { changes } = this.studio;
    if (changes.picture === picture) this.select([]);
    changes.edit(picture, (work) => ({ objects: [...work.objects, ...objects], active: null }));
  }

  remove(ids: readonly string[]): void {
    const { changes, dialogue, notices } = this.studio;
    if (ids.length === 0 || changes.picture === null) return notices.show(t('selectFirst'));
    const gone = new Set(ids);
    this.select([]);
    dialogue.drop(changes.picture, gone);
    const { length } = this.all;
    changes.commit(removeObjects(changes.work, gone));
    notices.say(t('deleted', { count: length - this.all.length }));
  }

  /** The chosen objects, and the active one even before it is there. */
  get chosenIds(): readonly string[] {
    const { changes, dialogue } = this.studio;
    const { active } = changes.work;
    const coming = changes.picture !== null && dialogue.awaits(changes.picture, active) ? [active!] : [];
    return [...new Set([...this.chosen.map(({ id }) => id), ...coming])];
  }

  removeChosen(): void {
    const { suggestions } = this.studio;
    const rejected = this.chosen.some(({ suggested }) => suggested);
    const place = this.chosen[0] && suggestions.placeOf(this.chosen[0]);
    this.remove(this.chosenIds);
    if (rejected) suggestions.next(place);
  }

  move(id: string, step: number): void {
    const { changes } = this.studio;
    changes.commit(moveObject(changes.work, id, step));
  }

  merge(): void {
    const { changes, dialogue, notices } = this.studio;
    const ids = new Set(this.chosen.map(({ id }) => id));
    if (ids.size < 2 || changes.picture === null) return notices.show(t('mergeNone'));
    dialogue.drop(changes.picture, ids);
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

  /** Changes the masks of the chosen objects by a rule. */
  tidy(rule: (mask: Runs) => Runs): void {
    const { changes, notices } = this.studio;
    const ids = new Set(this.chosen.map(({ id }) => id));
    if (ids.size === 0) return notices.show(t('selectFirst'));
    let count = 0;
    const objects = this.all.map((object) => {
      if (!ids.has(object.id)) return object;
      const mask = rule(object.mask);
      if (areaOf(difference(mask, object.mask)) + areaOf(difference(object.mask, mask)) === 0) return object;
      count += 1;
      return { ...object, ...BY_HAND, mask };
    });
    if (count > 0) changes.commit({ ...changes.work, objects });
    notices.show(t('tidied', { count }));
  }

  /** Copies the chosen objects, or else all, to the next picture, and goes there. */
  async copyToNext(): Promise<void> {
    const { changes, notices, pictures, reviews } = this.studio;
    const { strip } = reviews;
    const next = strip[strip.findIndex(({ id }) => id === changes.picture) + 1];
    const copied = (this.chosen.length > 0 ? this.chosen : this.all).filter(({ suggested }) => !suggested);
    if (copied.length === 0) return notices.show(t('selectFirst'));
    if (!next) return notices.show(t('noNext'));
    try {
      await changes.deskOf(next.id);
    } catch (error) {
      return this.studio.complain(error);
    }
    const objects = copied.map((object) => ({
      ...object,
      ...BY_HAND,
      id: freshId(),
      seconds: 0,
      mask: scaled(object.mask, next),
    }));
    changes.edit(next.id, (work) => ({ ...work, objects: [...work.objects, ...objects] }));
    await pictures.open(next.id);
    if (changes.picture === next.id) this.select(objects.map(({ id }) => id));
    notices.show(t('copied', { count: objects.length, name: next.name }));
  }

  /** Moves the masks of the chosen objects. */
  shift([dx, dy]: XY): void {
    const { changes } = this.studio;
    const ids = new Set(this.chosen.map(({ id }) => id));
    const [right, down] = [Math.round(dx), Math.round(dy)];
    if (ids.size === 0 || (right === 0 && down === 0)) return;
    const objects = this.all.map((object) => {
      const mask = ids.has(object.id) ? shifted(object.mask, right, down) : object.mask;
      return mask === object.mask || areaOf(mask) === 0 ? object : { ...object, ...BY_HAND, mask };
    });
    changes.commit({ ...changes.work, objects });
  }

  /** Paints into the active object, or wipes out of it; without one, painting begins an object. */
  paint(points: readonly XY[], width: number, erase: boolean): void {
    const { changes, classes, dialogue, notices, pictures } = this.studio;
    const { picture, work } = changes;
    const { image } = pictures;
    if (picture === null || !image) return;
    const known = this.active !== null || dialogue.awaits(picture, work.active);
    if (!known && erase) return notices.show(t('selectFirst'));
    const stroke = runsOfStroke(points, width, image);
    const id = known ? work.active! : freshId();
    if (!known) changes.setActive(id);
    const label = classes.active;
    dialogue.after(picture, id, () => this.apply(picture, id, stroke, erase, label));
  }

  private apply(picture: string, id: string, stroke: Runs, erase: boolean, label: string | null): void {
    const { changes, classes } = this.studio;
    changes.edit(picture, (work) => {
      const object = work.objects.find((other) => other.id === id);
      if (!object && erase) return work;
      const before = object?.mask ?? emptyRuns(stroke.size);
      const mask = erase ? difference(before, stroke) : union(before, stroke);
      if (areaOf(mask) === 0) return removeObjects(work, new Set([id]));
      const name = nextName(work.objects, t('object'));
      const details = { id, ...classes.dress(label) };
      const grown = object ? work.objects : [...work.objects, newObject(work.objects, name, mask, details)];
      const painted = { ...BY_HAND, mask };
      return replaceObject({ ...work, objects: grown }, id, painted);
    });
    if (changes.picture === picture && changes.work.active === id) this.select([id]);
  }
}
