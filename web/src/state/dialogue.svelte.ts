// Prompts and their answers: one question at a time, each about one object of one picture.

import type { Round } from '../decoder/messages.ts';
import type { Known } from '../decoder/round.ts';
import { toCoco } from '../masks/coco.ts';
import { areaOf } from '../masks/runs.ts';
import { type Granularity, isPlaced, isPositive, type Placed } from '../prompts/types.ts';
import { rememberOutline } from '../view/overlay.ts';
import { t } from '../words/words.svelte.ts';
import { newObject, nextName, replaceObject, type StudioObject } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export class Dialogue {
  granularity = $state<Granularity>('auto');
  working = $state(false);
  private queue: Promise<void> = Promise.resolve();

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
  prompt(prompts: readonly Placed[], anew = false): Promise<void> {
    this.queue = this.queue.then(async () => {
      const { decoding, notices, objects, pictures } = this.studio;
      const image = pictures.current;
      if (!image || !decoding.decoder) return;
      const object = anew ? null : objects.active;
      if (!object && !prompts.some(isPositive)) return notices.show(t('positiveFirst'));
      await this.answer(image, object, this.knownOf(object), prompts);
    });
    return this.queue;
  }

  /** Chooses part, object or whole; the active object is answered again. */
  setGranularity(granularity: Granularity): void {
    const { objects, pictures, previews } = this.studio;
    this.granularity = granularity;
    previews.drop();
    const object = objects.active;
    const prompts = object?.prompts.filter(isPlaced) ?? [];
    if (!object || prompts.length === 0 || object.granularity === granularity) return;
    this.queue = this.queue.then(() => this.answer(pictures.current!, object, null, prompts));
  }

  private async answer(
    image: string,
    object: StudioObject | null,
    before: Known | null,
    prompts: readonly Placed[],
  ): Promise<void> {
    this.working = true;
    try {
      const granularity = this.granularity;
      const { decoder } = this.studio.decoding;
      const found = await decoder!.round({ image, before, prompts, granularity });
      if (this.studio.pictures.current !== image) return;
      const given = object ? [...(before ?? this.knownOf(object)!).prompts, ...prompts] : prompts;
      this.accept(object, found, before ? given : prompts, granularity);
    } catch (error) {
      this.studio.complain(error);
    } finally {
      this.working = false;
    }
  }

  private accept(
    object: StudioObject | null,
    found: Round,
    prompts: readonly Placed[],
    granularity: Granularity,
  ): void {
    const { changes, notices } = this.studio;
    const { objects } = changes.work;
    // Undone or deleted while the network was busy.
    if (object && !objects.some(({ id }) => id === object.id)) return;
    if (areaOf(found.mask) === 0) return notices.show(t('nothingThere'));
    const { rings, ...answer } = found;
    rememberOutline(answer.mask, rings);
    const change = { ...answer, prompts, granularity };
    const made = object ?? newObject(objects, nextName(objects, t('object')), answer.mask);
    const grown = object ? objects : [...objects, made];
    this.studio.objects.select([made.id]);
    changes.commit(replaceObject({ objects: grown, active: made.id }, made.id, change));
    this.announce(made.id);
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
