// Suggestions: objects that a run has found, to be accepted or rejected, the most uncertain first.

import { t } from '../words/words.svelte.ts';
import type { StudioObject } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export class Suggestions {
  /** Those of at least this score are accepted together, the others rejected. */
  threshold = $state(0.8);

  constructor(private readonly studio: Studio) {}

  /** Those of the picture on show, the most uncertain first. */
  get list(): readonly StudioObject[] {
    const waiting = this.studio.objects.all.filter(({ suggested }) => suggested);
    return waiting.sort((a, b) => (a.score ?? 0) - (b.score ?? 0));
  }

  placeOf(object: StudioObject): number {
    return Math.max(0, this.list.indexOf(object));
  }

  /** Goes to the next suggestion: that at a place, or the one after the active one. */
  next(place?: number): void {
    const { objects } = this.studio;
    const { list } = this;
    if (list.length === 0) return objects.activate(null);
    const at = list.findIndex(({ id }) => id === objects.active?.id);
    objects.activate(list[(place ?? at + 1) % list.length].id);
  }

  /** Accepts the active suggestion and goes to the next; false when there is none. */
  acceptActive(): boolean {
    const { active } = this.studio.objects;
    if (!active?.suggested) return false;
    const place = this.placeOf(active);
    this.accept([active.id]);
    this.next(place);
    return true;
  }

  accept(ids: readonly string[]): void {
    const { notices, objects } = this.studio;
    objects.changeAll(({ id, suggested }) => (suggested && ids.includes(id) ? { suggested: false } : null));
    notices.say(t('accepted', { count: ids.length }));
  }

  /** Accepts those of at least the threshold. */
  acceptSure(): void {
    this.accept(this.sure.map(({ id }) => id));
  }

  /** Rejects those below the threshold. */
  rejectUnsure(): void {
    this.studio.objects.remove(this.list.filter((object) => !this.isSure(object)).map(({ id }) => id));
  }

  get sure(): readonly StudioObject[] {
    return this.list.filter((object) => this.isSure(object));
  }

  private isSure({ score }: StudioObject): boolean {
    return (score ?? 0) >= this.threshold;
  }
}
