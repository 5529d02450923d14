// The work on the picture on show, and all that changes work: every change is a step of undo of its own picture, and
// goes to the server.

import { OfflineError, ServerError } from '../server/client.ts';
import { t } from '../words/words.svelte.ts';
import { Desk, type Watcher } from './desk.ts';
import { Drafts } from './drafts.ts';
import type { History } from './history.ts';
import { messageOf } from './notices.svelte.ts';
import { NO_WORK, type StudioObject, timed, type Work } from './objects.ts';
import type { SaveState } from './saver.ts';
import type { Studio } from './studio.svelte.ts';

const SETTLING_MS = 50;
const WORST: readonly SaveState[] = ['failed', 'waiting', 'saving'];

export class Changes implements Watcher {
  /** Whose work is on show; null until it is there. Nothing can be changed before. */
  picture = $state<string | null>(null);
  work = $state.raw<Work>(NO_WORK);
  canUndo = $state(false);
  canRedo = $state(false);
  private states = $state.raw<ReadonlyMap<string, SaveState>>(new Map());
  private readonly desks = new Map<string, Desk>();
  private readonly drafts = new Drafts();
  private readonly making = new Map<string, Promise<Desk>>();

  constructor(private readonly studio: Studio) {}

  /** Whether all work is on the server, of whatever picture; what is still being computed is not. */
  get saving(): SaveState {
    const states = new Set(this.states.values());
    const worst = WORST.find((state) => states.has(state));
    return worst ?? (this.studio.dialogue.pending.length > 0 ? 'saving' : 'saved');
  }

  get unsaved(): boolean {
    return this.saving !== 'saved' || [...this.desks.values()].some(({ saver }) => saver.unsaved);
  }

  /** Resolves once all work is on the server. */
  async settled(): Promise<void> {
    while (this.unsaved) {
      if (this.studio.connection.away || this.saving === 'failed') throw new Error(t('waitingShort'));
      await new Promise((resolve) => setTimeout(resolve, SETTLING_MS));
    }
  }

  /** The desk of a picture, which is set up when it is first wanted. */
  async deskOf(picture: string): Promise<Desk> {
    const known = this.desks.get(picture);
    if (known) return known;
    const making = this.making.get(picture) ?? Desk.of(this.studio.server, picture, this.drafts, this);
    this.making.set(picture, making);
    try {
      const desk = await making;
      if (this.making.get(picture) === making) this.desks.set(picture, desk);
      return desk;
    } finally {
      this.making.delete(picture);
    }
  }

  /** Lays a desk out as the one on show. */
  present(desk: Desk): void {
    this.picture = desk.picture;
    this.work = desk.now;
    this.canUndo = desk.history.canUndo;
    this.canRedo = desk.history.canRedo;
  }

  /** Shows no work. */
  clear(): void {
    this.picture = null;
    this.work = NO_WORK;
    this.canUndo = this.canRedo = false;
  }

  forget(picture: string): void {
    void this.drafts.drop(picture);
    this.desks.delete(picture);
    this.making.delete(picture);
    this.states = new Map([...this.states].filter(([other]) => other !== picture));
  }

  /** The work on a picture, if it was opened here. */
  workOf(picture: string): Work | null {
    return this.desks.get(picture)?.now ?? null;
  }

  /** Changes the work on a picture, whether it is on show or not. */
  edit(picture: string, change: (work: Work) => Work, amend = false): void {
    const desk = this.desks.get(picture);
    if (!desk) return;
    const changed = change(desk.now);
    if (changed === desk.now) return;
    const work = timed(changed, desk.now, this.studio.reviews.takeFresh(picture));
    if (amend) desk.history.amend(work);
    else desk.history.push(work);
    this.save(desk);
  }

  /** Changes the work on a picture, and what undo knows of it, alike: for what belongs to all pictures. */
  async rewrite(picture: string, change: (work: Work) => Work): Promise<void> {
    const desk = await this.deskOf(picture);
    const before = desk.now;
    desk.history.rebase(change);
    if (desk.now !== before) this.save(desk);
  }

  /** Changes the work on show. */
  commit(work: Work, amend = false): void {
    if (this.picture !== null) this.edit(this.picture, () => work, amend);
  }

  /** Says which object prompts and the brush speak of; that is neither a step of undo nor saved. */
  setActive(id: string | null): void {
    const { desk } = this;
    this.studio.previews.drop();
    if (!desk || this.work.active === id) return;
    desk.history.amend({ ...this.work, active: id });
    this.work = desk.now;
    const { active } = this.studio.objects;
    if (active) this.studio.dialogue.granularity = active.granularity;
  }

  undo(): void {
    const { desk, studio } = this;
    if (!desk) return;
    if (studio.dialogue.takeBack(desk.picture)) studio.notices.say(t('undone'));
    else this.travel(desk, (history) => history.undo(), t('undone'));
  }

  redo(): void {
    const { desk } = this;
    if (desk) this.travel(desk, (history) => history.redo(), t('redone'));
  }

  told(picture: string, state: SaveState, error?: unknown): void {
    const { connection, notices, pictures } = this.studio;
    const news = state !== this.states.get(picture);
    if (error instanceof OfflineError) connection.lose();
    else if (error instanceof ServerError && error.status === 404) return pictures.lose(picture);
    else if (error !== undefined && news) notices.show(t('saveFailed', { message: messageOf(error) }), true);
    this.states = new Map([...this.states, [picture, state]]);
    if (state === 'saved') this.studio.live.tell(picture);
  }

  /** Goes on with work of an earlier visit that the server did not get. */
  async takeUp(): Promise<void> {
    for (const picture of await this.drafts.pictures()) {
      if (this.studio.pictures.images.some(({ id }) => id === picture)) await this.deskOf(picture);
      else if (!this.studio.connection.away) await this.drafts.drop(picture);
    }
  }

  /** The server is back: what waits is sent, and what others did meanwhile comes in. */
  resume(): void {
    for (const desk of this.desks.values()) {
      desk.saver.hurry();
      void desk.pull().catch((error) => this.studio.complain(error));
    }
  }

  /** Brings in what others have done to a picture that was opened here. */
  async pull(picture: string): Promise<void> {
    await this.desks.get(picture)?.pull();
  }

  merged(picture: string, clashes: readonly StudioObject[]): void {
    const desk = this.desks.get(picture)!;
    const { notices, pictures, previews } = this.studio;
    pictures.count(picture, desk.now.objects);
    for (const { name } of clashes) notices.show(t('clash', { name }));
    if (this.picture !== picture) return;
    previews.drop();
    this.present(desk);
  }

  private get desk(): Desk | undefined {
    return this.picture === null ? undefined : this.desks.get(this.picture);
  }

  private travel(desk: Desk, go: (history: History<Work>) => Work, word: string): void {
    const before = desk.now;
    if (go(desk.history) === before) return;
    this.save(desk);
    this.studio.notices.say(word);
  }

  private save(desk: Desk): void {
    const { pictures, previews } = this.studio;
    pictures.count(desk.picture, desk.now.objects);
    desk.save();
    if (this.picture !== desk.picture) return;
    this.present(desk);
    previews.drop();
  }
}
