// Which pictures there are, which one is open, and their pixels.

import type { ImageBody } from '../server/openapi.ts';
import { Pyramid } from '../view/pyramid.ts';
import { t } from '../words/words.svelte.ts';
import type { Studio } from './studio.svelte.ts';

/** Decoded pictures that are kept for going back and forth. */
const KEPT_PICTURES = 3;
const LAST = 'promptseg.picture';

export class Pictures {
  images = $state.raw<readonly ImageBody[]>([]);
  current = $state<string | null>(null);
  pyramid = $state.raw<Pyramid | null>(null);
  /** How many files are on their way to the server. */
  opening = $state(0);
  /** The picture that is on its way to the screen. */
  loading = $state<string | null>(null);
  private readonly pyramids = new Map<string, Promise<Pyramid>>();

  constructor(private readonly studio: Studio) {}

  get image(): ImageBody | null {
    return this.images.find(({ id }) => id === this.current) ?? null;
  }

  /** Opens the picture of the last visit, or else the newest. */
  openLast(): void {
    const kept = localStorage.getItem(LAST);
    const first = this.images.find(({ id }) => id === kept) ?? this.images.at(-1);
    if (first) void this.open(first.id);
  }

  /** Opens pictures, and reads label files as objects of the current one. */
  async openFiles(files: readonly File[]): Promise<void> {
    const pictures = files.filter((file) => !/\.(json|txt)$/i.test(file.name));
    for (const file of files) if (!pictures.includes(file)) await this.studio.labelFiles.import(file);
    this.opening += pictures.length;
    for (const [index, file] of pictures.entries()) {
      try {
        // The browser decodes for the eye while the server decodes for the model.
        const seen = index === 0 ? Pyramid.of(file) : null;
        seen?.catch(() => undefined);
        const record = await this.studio.server.upload(file, file.name || 'picture');
        for (const note of record.notes) this.studio.notices.show(note);
        if (seen)
          this.pyramids.set(
            record.id,
            seen.catch(() => this.fetchPyramid(record.id)),
          );
        if (!this.images.some(({ id }) => id === record.id)) this.images = [...this.images, record];
        if (index === 0) await this.open(record.id);
      } catch (error) {
        this.studio.complain(error);
      } finally {
        this.opening -= 1;
      }
    }
  }

  /** Opens a picture: nothing is on show until both its pixels and the work on it are there. */
  async open(id: string): Promise<void> {
    const { changes, decoding, objects, previews } = this.studio;
    if (this.current === id && (changes.picture === id || this.loading === id)) return;
    this.current = this.loading = id;
    this.pyramid = null;
    changes.clear();
    decoding.ready = false;
    previews.hide();
    objects.select([]);
    localStorage.setItem(LAST, id);
    void decoding.prepare();
    try {
      const [pyramid, desk] = await Promise.all([this.pyramidOf(id), changes.deskOf(id)]);
      if (this.current !== id) return;
      this.pyramid = pyramid;
      changes.present(desk);
    } catch (error) {
      this.studio.complain(error);
    } finally {
      if (this.loading === id) this.loading = null;
    }
  }

  step(by: number): void {
    const at = this.images.findIndex(({ id }) => id === this.current);
    const next = this.images[at + by];
    if (next) void this.open(next.id);
  }

  async askRemove({ id, name, objects }: ImageBody): Promise<void> {
    const title = t('removePicture', { name });
    const choices = [{ value: 'remove', text: title }];
    const sure =
      objects === 0 || (await this.studio.questions.ask(title, t('removePictureAsk', { name }), choices));
    if (sure) await this.remove(id);
  }

  async remove(id: string): Promise<void> {
    try {
      await this.studio.server.remove(id);
    } catch (error) {
      return this.studio.complain(error);
    }
    this.close(id);
  }

  /** A picture that somebody else has removed. */
  lose(id: string): void {
    const name = this.images.find((image) => image.id === id)?.name;
    if (name === undefined) return;
    this.studio.notices.show(t('pictureGone', { name }));
    this.close(id);
  }

  private close(id: string): void {
    const at = this.images.findIndex((image) => image.id === id);
    this.images = this.images.filter((image) => image.id !== id);
    this.studio.dialogue.drop(id);
    this.studio.changes.forget(id);
    this.pyramids.delete(id);
    if (this.current !== id) return;
    this.current = null;
    this.pyramid = null;
    this.studio.changes.clear();
    const next = this.images[Math.min(at, this.images.length - 1)];
    if (next) void this.open(next.id);
  }

  /** Notes how many objects a picture has. */
  count(id: string, objects: number): void {
    this.images = this.images.map((image) => (image.id === id ? { ...image, objects } : image));
  }

  private async fetchPyramid(id: string): Promise<Pyramid> {
    return Pyramid.of(await this.studio.server.picture(id));
  }

  private pyramidOf(id: string): Promise<Pyramid> {
    const made = this.pyramids.get(id) ?? this.fetchPyramid(id);
    this.pyramids.delete(id);
    this.pyramids.set(id, made);
    made.catch(() => this.pyramids.delete(id));
    for (const oldest of this.pyramids.keys()) {
      if (this.pyramids.size <= KEPT_PICTURES) break;
      void this.pyramids.get(oldest)!.then((pyramid) => pyramid.close());
      this.pyramids.delete(oldest);
    }
    return made;
  }
}
