// Which pictures there are, which one is open, and their pixels.

import { OfflineError } from '../server/client.ts';
import type { ImageBody, UploadedBody } from '../server/openapi.ts';
import { Pyramid } from '../view/pyramid.ts';
import { t } from '../words/words.svelte.ts';
import { isLabelFile } from './label_files.ts';
import { messageOf } from './notices.svelte.ts';
import { freshId, type StudioObject } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

/** Decoded pictures that are kept for going back and forth. */
const KEPT_PICTURES = 3;
const LAST = 'promptseg.picture';

export interface BrokenFile {
  readonly id: string;
  readonly name: string;
  readonly reason: string;
}

export class Pictures {
  images = $state.raw<readonly ImageBody[]>([]);
  current = $state<string | null>(null);
  pyramid = $state.raw<Pyramid | null>(null);
  /** How many files are to be opened, and how many of them are done. */
  opening = $state(0);
  opened = $state(0);
  /** Files that could not be opened. */
  broken = $state.raw<readonly BrokenFile[]>([]);
  /** The picture that is on its way to the screen. */
  loading = $state<string | null>(null);
  /** Pictures that were chosen for what is done with several. */
  marked = $state.raw<ReadonlySet<string>>(new Set());
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
    const labels = files.filter(isLabelFile);
    const pictures = files.filter((file) => !labels.includes(file));
    this.opening += pictures.length;
    for (const [index, file] of pictures.entries()) {
      try {
        await this.openFile(file, index === 0);
      } catch (error) {
        this.broken = [...this.broken, { id: freshId(), name: file.name, reason: messageOf(error) }];
        this.studio.notices.show(t('brokenFile', { name: file.name, reason: messageOf(error) }), true);
      }
      this.opened += 1;
    }
    if (this.opened === this.opening) this.opened = this.opening = 0;
    await this.refresh();
    await this.studio.labelFiles.import(labels); // of pictures that came along, too
  }

  /** Forgets a file that could not be opened. */
  dismiss(id: string): void {
    this.broken = this.broken.filter((file) => file.id !== id);
  }

  /** Learns anew which pictures there are. */
  async refresh(): Promise<void> {
    try {
      const images = await this.studio.server.images();
      const { changes } = this.studio;
      this.images = images.map((image) => {
        const work = changes.workOf(image.id); // newer than what the server counts
        return work ? { ...image, ...counted(work.objects) } : image;
      });
    } catch (error) {
      this.studio.complain(error);
    }
  }

  private async openFile(file: File, first: boolean): Promise<void> {
    const { connection, notices, server } = this.studio;
    // The browser decodes for the eye while the server decodes for the model.
    const seen = first ? Pyramid.of(file) : null;
    seen?.catch(() => undefined);
    let record: UploadedBody | null = null;
    while (!record) {
      try {
        record = await server.upload(file, file.name || 'picture');
      } catch (error) {
        if (!(error instanceof OfflineError)) throw error;
        connection.lose();
        await connection.returned();
      }
    }
    const { id } = record;
    for (const note of record.notes) notices.show(note);
    const pixels = seen?.catch(() => this.fetchPyramid(id));
    if (pixels) this.pyramids.set(id, pixels);
    if (!this.images.some((image) => image.id === id)) this.images = [...this.images, record];
    if (first) await this.open(id);
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
      this.studio.server.keep(id);
    } catch (error) {
      this.studio.complain(error);
    } finally {
      if (this.loading === id) this.loading = null;
    }
  }

  /** Goes along the strip, as it is filtered and sorted. */
  step(by: number): void {
    const { strip } = this.studio.reviews;
    const at = strip.findIndex(({ id }) => id === this.current);
    const next = strip[at < 0 && by > 0 ? 0 : at + by];
    if (next) void this.open(next.id);
  }

  /** Takes or leaves a picture for what is done with several. */
  mark(id: string): void {
    const marked = new Set(this.marked);
    if (!marked.delete(id)) marked.add(id);
    this.marked = marked;
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
    if (this.marked.has(id)) this.mark(id);
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

  /** Notes which objects a picture has. */
  count(id: string, objects: readonly StudioObject[]): void {
    this.update(id, counted(objects));
  }

  update(id: string, change: Partial<ImageBody>): void {
    this.images = this.images.map((image) => (image.id === id ? { ...image, ...change } : image));
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

function counted(objects: readonly StudioObject[]): Pick<ImageBody, 'objects' | 'suggested' | 'least'> {
  const scores = objects.flatMap(({ suggested, score }) => (suggested ? [score ?? 0] : []));
  return {
    objects: objects.length - scores.length,
    suggested: scores.length,
    least: scores.length > 0 ? Math.min(...scores) : null,
  };
}
