// The work on the current picture, and all that changes it: every change is a step of undo and goes to the server.

import { t } from '../words/words.svelte.ts';
import { type Desk, setUp } from './desk.ts';
import type { History } from './history.ts';
import { NO_WORK, type Work } from './objects.ts';
import type { SaveState } from './saver.ts';
import type { Studio } from './studio.svelte.ts';

export class Changes {
  work = $state.raw<Work>(NO_WORK);
  saving = $state<SaveState>('saved');
  canUndo = $state(false);
  canRedo = $state(false);
  private readonly desks = new Map<string, Desk>();

  constructor(private readonly studio: Studio) {}

  get unsaved(): boolean {
    return [...this.desks.values()].some(({ saver }) => saver.unsaved);
  }

  /** The desk of a picture; `anew` forgets what was done here for what the server has. */
  async deskOf(picture: string, anew = false): Promise<Desk> {
    const known = this.desks.get(picture);
    if (known && !anew) return known;
    const tell = (state: SaveState, message?: string) => this.tell(picture, state, message);
    const desk = await setUp(this.studio.server, picture, tell);
    this.desks.set(picture, desk);
    return desk;
  }

  /** Lays a desk out as the current one. */
  present({ history }: Desk): void {
    this.work = history.now;
    this.canUndo = history.canUndo;
    this.canRedo = history.canRedo;
  }

  clear(): void {
    this.work = NO_WORK;
  }

  forget(picture: string): void {
    this.desks.delete(picture);
  }

  commit(work: Work, amend = false): void {
    const { desk } = this;
    if (!desk || work === desk.history.now) return;
    if (amend) desk.history.amend(work);
    else desk.history.push(work);
    this.present(desk);
    this.save(desk, work);
  }

  /** Says which object prompts and the brush speak of; that is neither a step of undo nor saved. */
  setActive(id: string | null): void {
    const { desk } = this;
    this.studio.previews.drop();
    if (!desk || this.work.active === id) return;
    desk.history.amend({ ...this.work, active: id });
    this.work = desk.history.now;
    const { active } = this.studio.objects;
    if (active) this.studio.dialogue.granularity = active.granularity;
  }

  undo(): void {
    this.travel((history) => history.undo(), t('undone'));
  }

  redo(): void {
    this.travel((history) => history.redo(), t('redone'));
  }

  private get desk(): Desk | undefined {
    const { current } = this.studio.pictures;
    return current === null ? undefined : this.desks.get(current);
  }

  private travel(go: (history: History<Work>) => Work, word: string): void {
    const { desk } = this;
    if (!desk) return;
    const work = go(desk.history);
    if (work === this.work) return;
    this.present(desk);
    this.save(desk, work);
    this.studio.notices.say(word);
  }

  private save(desk: Desk, work: Work): void {
    desk.saver.save(work);
    this.studio.previews.drop();
    this.studio.pictures.count(work.objects.length);
  }

  private tell(picture: string, state: SaveState, message = ''): void {
    const { notices } = this.studio;
    if (state === 'waiting' && this.saving !== 'waiting') notices.show(t('waiting'), true);
    if (state === 'failed') notices.show(t('saveFailed', { message }), true);
    if (state === 'conflict' && this.saving !== 'conflict') {
      notices.show(t('conflict'), true, [
        { text: t('keepMine'), run: () => this.desks.get(picture)?.saver.overwrite() },
        { text: t('takeTheirs'), run: () => void this.takeTheirs(picture) },
      ]);
    }
    this.saving = state;
  }

  private async takeTheirs(picture: string): Promise<void> {
    const desk = await this.deskOf(picture, true);
    this.saving = 'saved';
    if (this.studio.pictures.current === picture) this.present(desk);
  }
}
