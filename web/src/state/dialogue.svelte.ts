// Prompts and their answers: one question at a time, each bound to its object of its picture from the moment it is asked.

import type { Round } from '../decoder/messages.ts';
import type { Known } from '../decoder/round.ts';
import { toCoco } from '../masks/coco.ts';
import { areaOf } from '../masks/runs.ts';
import { type Granularity, isPlaced, isPositive, type Placed, type Prompt } from '../prompts/types.ts';
import { OfflineError } from '../server/client.ts';
import { rememberOutline } from '../view/overlay.ts';
import { t } from '../words/words.svelte.ts';
import { freshId, newObject, nextName, replaceObject, type StudioObject } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

/** Something that is to happen to an object, in its turn. The object may not be there yet. */
export interface Turn {
  readonly picture: string;
  readonly id: string;
  /** What is drawn until it has happened. */
  readonly prompts: readonly Placed[];
  readonly run: (turn: Turn) => Promise<void>;
}

export class Dialogue {
  granularity = $state<Granularity>('auto');
  /** What was asked and is not answered yet, of whatever picture. */
  pending = $state.raw<readonly Turn[]>([]);
  private running = false;

  constructor(private readonly studio: Studio) {}

  /** What the decoder is to know of an object. */
  knownOf(object: StudioObject | null): Known | null {
    if (!object) return null;
    const prompts = object.prompts.filter(isPlaced);
    // What was imported, painted or found by words is shown to the network as a mask.
    const shown: Placed[] = prompts.length
      ? prompts
      : [{ type: 'mask', segmentation: toCoco(object.mask), positive: true }];
    const { mask, logits, score, plain } = object;
    return { prompts: shown, mask, logits, score, plain };
  }

  /** Adds prompts to the active object, or begins one; `anew` always begins one. */
  prompt(prompts: readonly Placed[], anew = false): void {
    const { changes, classes, notices, objects } = this.studio;
    const { picture } = changes;
    if (picture === null) return;
    const { active } = changes.work;
    const label = classes.active;
    const known = !anew && active !== null && (objects.active !== null || this.awaits(picture, active));
    if (!known && !prompts.some(isPositive)) return notices.show(t('positiveFirst'));
    const id = known ? active : freshId();
    const { granularity } = this;
    if (!known) {
      objects.select([]);
      changes.setActive(id); // what comes next speaks of it, even before it is there
    }
    this.queue({ picture, id, prompts, run: (turn) => this.answer(turn, prompts, granularity, label) });
  }

  /** Chooses part, object or whole; the active object is answered again, with all that was asked of it. */
  setGranularity(granularity: Granularity): void {
    const { changes, previews } = this.studio;
    const { picture, work } = changes;
    this.granularity = granularity;
    previews.drop();
    const id = work.active;
    if (picture === null || id === null) return;
    const run = async (turn: Turn): Promise<void> => {
      const object = this.find(turn);
      const prompts = object?.prompts.filter(isPlaced) ?? [];
      if (prompts.length > 0 && object!.granularity !== granularity)
        await this.answer(turn, prompts, granularity, null, true);
    };
    this.queue({ picture, id, prompts: [], run });
  }

  /** Gives the active object other prompts in place of its own, and answers it again with all of them. */
  replace(prompts: readonly Prompt[]): void {
    const { changes, objects } = this.studio;
    const { picture } = changes;
    const { active } = objects;
    if (picture === null || !active) return;
    const placed = prompts.filter(isPlaced);
    const { granularity } = active;
    const run = async (turn: Turn): Promise<void> => this.answer(turn, placed, granularity, null, true);
    this.queue({ picture, id: active.id, prompts: placed, run });
  }

  /** Whether something is still to happen to an object. */
  awaits(picture: string, id: string | null): boolean {
    return this.pending.some((turn) => turn.picture === picture && turn.id === id);
  }

  /** Does something to an object after all that was asked of it before. */
  after(picture: string, id: string, act: () => void): void {
    if (!this.awaits(picture, id)) return act();
    this.queue({ picture, id, prompts: [], run: async () => act() });
  }

  /** Takes back the newest question about a picture that is not answered yet; false when there is none. */
  takeBack(picture: string): boolean {
    const last = this.pending.findLast((turn) => turn.picture === picture);
    this.pending = this.pending.filter((turn) => turn !== last);
    return last !== undefined;
  }

  /** Forgets what was asked of a picture, or only of some of its objects. */
  drop(picture: string, ids?: ReadonlySet<string>): void {
    this.pending = this.pending.filter((turn) => turn.picture !== picture || (ids && !ids.has(turn.id)));
  }

  private queue(turn: Turn): void {
    this.pending = [...this.pending, turn];
    if (!this.running) void this.work();
  }

  private async work(): Promise<void> {
    this.running = true;
    for (let turn = this.pending[0]; turn; turn = this.pending[0]) {
      try {
        await turn.run(turn);
      } catch (error) {
        this.studio.complain(error);
        if (error instanceof OfflineError) {
          await this.studio.connection.returned();
          continue; // it is asked again
        }
      }
      this.pending = this.pending.filter((other) => other !== turn);
    }
    this.running = false;
  }

  private find({ picture, id }: Turn): StudioObject | null {
    return this.studio.changes.workOf(picture)?.objects.find((object) => object.id === id) ?? null;
  }

  private async answer(
    turn: Turn,
    prompts: readonly Placed[],
    granularity: Granularity,
    label: string | null,
    again = false,
  ): Promise<void> {
    const { decoding, notices, pictures } = this.studio;
    const decoder = await decoding.started;
    for (;;) {
      const object = this.find(turn);
      if (!object && !prompts.some(isPositive)) return notices.show(t('positiveFirst'));
      const before = again ? null : this.knownOf(object);
      const image = pictures.images.find(({ id }) => id === turn.picture);
      if (!image) return;
      await decoder.open(turn.picture, image);
      const found = await decoder.round({ image: turn.picture, before, prompts, granularity });
      if (!this.pending.includes(turn)) return; // taken back or deleted while the network was busy
      if (this.find(turn)?.mask !== object?.mask) continue; // somebody has changed it meanwhile
      const given = before ? [...before.prompts, ...prompts] : prompts;
      return this.accept(turn, object, found, { prompts: given, granularity }, label);
    }
  }

  private accept(
    { picture, id }: Turn,
    object: StudioObject | null,
    found: Round,
    asked: Pick<StudioObject, 'prompts' | 'granularity'>,
    label: string | null,
  ): void {
    const { changes, classes, notices, objects } = this.studio;
    if (areaOf(found.mask) === 0) return notices.show(t('nothingThere'));
    const { rings, ...answer } = found;
    rememberOutline(answer.mask, rings);
    const change = { ...answer, ...asked, suggested: false }; // who corrects a suggestion accepts it
    changes.edit(picture, (work) => {
      const name = nextName(work.objects, t('object'));
      const grown = object
        ? work.objects
        : [...work.objects, newObject(work.objects, name, answer.mask, { id, ...classes.dress(label) })];
      return replaceObject({ ...work, objects: grown }, id, change);
    });
    if (changes.picture !== picture) return;
    if (changes.work.active === id) objects.select([id]);
    this.announce(id);
  }

  private announce(id: string): void {
    const { changes, notices, pictures } = this.studio;
    const object = changes.work.objects.find((other) => other.id === id);
    const { image } = pictures;
    if (!object || !image) return;
    const share = Math.round((1000 * areaOf(object.mask)) / (image.width * image.height)) / 10;
    notices.say(t('answered', { name: object.name, share, score: (object.score ?? 0).toFixed(2) }));
  }
}
