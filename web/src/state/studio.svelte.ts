// The studio: which pictures are open, the work on the current one, and everything that changes it.

import { BrowserDecoder, type Decoder, ServerDecoder } from '../decoder/client.ts';
import type { Preview, Round } from '../decoder/messages.ts';
import type { Known } from '../decoder/round.ts';
import type { XY } from '../geometry.ts';
import { toCoco } from '../masks/coco.ts';
import { runsOfStroke } from '../masks/paint.ts';
import { areaOf, difference, emptyRuns, union } from '../masks/runs.ts';
import { type Granularity, isPlaced, isPositive, type Placed } from '../prompts/types.ts';
import { formatOf, type Server, ServerError } from '../server/client.ts';
import type { ClassRecord, ImageRecord, ModelRecord, ObjectRecord } from '../server/types.ts';
import { rememberOutline } from '../view/overlay.ts';
import { Pyramid } from '../view/pyramid.ts';
import { t } from '../words/words.svelte.ts';
import { History } from './history.ts';
import { Hover, type Place } from './hover.ts';
import { Notices } from './notices.svelte.ts';
import {
  COLOURS,
  fromRecord,
  mergeObjects,
  moveObject,
  NO_WORK,
  newObject,
  nextName,
  removeObjects,
  replaceObject,
  type StudioObject,
  splitObject,
  toRecord,
  type Work,
} from './objects.ts';
import { Saver, type SaveState } from './saver.ts';

export type ToolName =
  | 'select'
  | 'point'
  | 'box'
  | 'polygon'
  | 'scribble'
  | 'brush'
  | 'eraser'
  | 'text'
  | 'reference'
  | 'everything';

interface Desk {
  readonly history: History<Work>;
  readonly saver: Saver<Work>;
}

/** Decoded pictures that are kept for going back and forth. */
const KEPT_PICTURES = 3;
const NONE: ReadonlySet<string> = new Set();

export class Studio {
  readonly notices = new Notices();
  decoder = $state.raw<Decoder | null>(null);
  model = $state.raw<ModelRecord | null>(null);
  models = $state.raw<readonly ModelRecord[]>([]);
  images = $state.raw<readonly ImageRecord[]>([]);
  current = $state<string | null>(null);
  pyramid = $state.raw<Pyramid | null>(null);
  work = $state.raw<Work>(NO_WORK);
  selected = $state.raw<ReadonlySet<string>>(NONE);
  pointed = $state<string | null>(null);
  /** Whose name is being typed. */
  renaming = $state<string | null>(null);
  classes = $state.raw<readonly ClassRecord[]>([]);
  tool = $state<ToolName>('point');
  positive = $state(true);
  granularity = $state<Granularity>('auto');
  brush = $state(28);
  preview = $state.raw<(Preview & { positive: boolean }) | null>(null);
  /** How many previews were shown so far. */
  shown = $state(0);
  /** The embedding of the current picture is at hand. */
  ready = $state(false);
  opening = $state(0);
  working = $state(false);
  saving = $state<SaveState>('saved');
  canUndo = $state(false);
  canRedo = $state(false);

  private readonly desks = new Map<string, Desk>();
  private readonly pyramids = new Map<string, Promise<Pyramid>>();
  private line: Promise<void> = Promise.resolve();
  private readonly hover = new Hover(
    () => this.ready && this.decoder !== null && this.current !== null,
    (place) => this.previewOf(place),
    (preview, positive) => {
      this.preview = { ...preview, positive };
      this.shown += 1;
    },
  );

  constructor(readonly server: Server) {}

  get image(): ImageRecord | null {
    return this.images.find(({ id }) => id === this.current) ?? null;
  }

  get active(): StudioObject | null {
    return this.work.objects.find(({ id }) => id === this.work.active) ?? null;
  }

  /** What the panel's commands work on. */
  get chosen(): readonly StudioObject[] {
    return this.work.objects.filter(({ id }) => this.selected.has(id) || id === this.work.active);
  }

  async start(): Promise<void> {
    try {
      const [{ models, default: name }, images, classes] = await Promise.all([
        this.server.models(),
        this.server.images(),
        this.server.classes(),
      ]);
      this.models = models;
      // A model that runs in the browser is preferred for pointing; words go to one that knows them.
      const first = models.find((model) => model.name === name) ?? models[0];
      this.model = first.decoder ? first : (models.find((model) => model.decoder) ?? first);
      this.images = images;
      this.classes = classes;
    } catch (error) {
      const wrong = error instanceof ServerError && error.status === 401;
      return this.notices.show(wrong ? t('tokenWrong') : t('noServer'), true);
    }
    const kept = localStorage.getItem('promptseg.picture');
    const first = this.images.find(({ id }) => id === kept) ?? this.images.at(-1);
    if (first) void this.open(first.id);
    await this.startDecoder();
  }

  private async startDecoder(): Promise<void> {
    const forced = new URLSearchParams(location.search).get('decoder') === 'server';
    try {
      if (forced) throw new Error('?decoder=server');
      this.decoder = await BrowserDecoder.start(this.server, this.model!);
    } catch (error) {
      if (!forced) this.notices.show(t('onServer', { reason: messageOf(error) }));
      this.decoder = new ServerDecoder(this.server, this.model!.name);
    }
    void this.prepare();
  }

  /** Asks for the current picture's embedding. */
  private async prepare(): Promise<void> {
    const { image, decoder } = this;
    if (!image || !decoder) return;
    try {
      await decoder.open(image.id, image);
      if (this.current !== image.id) return;
      this.ready = true;
      void this.hover.run();
    } catch (error) {
      this.complain(error);
    }
  }

  // Pictures

  async openFiles(files: readonly File[]): Promise<void> {
    const pictures = files.filter((file) => !/\.json$/i.test(file.name));
    for (const file of files) if (!pictures.includes(file)) await this.importFile(file);
    this.opening += pictures.length;
    for (const [index, file] of pictures.entries()) {
      try {
        // The browser decodes for the eye while the server decodes for the model.
        const seen = index === 0 ? Pyramid.of(file) : null;
        seen?.catch(() => undefined);
        const record = await this.server.upload(file, file.name || 'picture');
        if (seen)
          this.pyramids.set(
            record.id,
            seen.catch(() => this.fetchPyramid(record.id)),
          );
        if (!this.images.some(({ id }) => id === record.id)) this.images = [...this.images, record];
        if (index === 0) await this.open(record.id);
      } catch (error) {
        this.complain(error);
      } finally {
        this.opening -= 1;
      }
    }
  }

  async open(id: string): Promise<void> {
    if (this.current === id) return;
    this.current = id;
    this.ready = false;
    this.hidePreview();
    this.selected = NONE;
    localStorage.setItem('promptseg.picture', id);
    void this.prepare();
    try {
      const [pyramid, desk] = await Promise.all([this.pyramidOf(id), this.deskOf(id)]);
      if (this.current !== id) return;
      this.pyramid = pyramid;
      this.present(desk);
    } catch (error) {
      this.complain(error);
    }
  }

  private async fetchPyramid(id: string): Promise<Pyramid> {
    return Pyramid.of(await this.server.picture(id));
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

  private async deskOf(id: string, anew = false): Promise<Desk> {
    const known = this.desks.get(id);
    if (known && !anew) return known;
    const stored = await this.server.objects(id);
    const objects: StudioObject[] = [];
    for (const record of stored.objects) objects.push(fromRecord(record, objects, t('object')));
    const store = {
      put: async (work: Work, version: number | null) =>
        (await this.server.putObjects(id, version, work.objects.map(toRecord))).version,
    };
    const saver = new Saver<Work>(store, stored.version, (state, message) =>
      this.tellSaving(id, state, message),
    );
    const desk = { history: new History<Work>({ objects, active: null }), saver };
    this.desks.set(id, desk);
    return desk;
  }

  private tellSaving(id: string, state: SaveState, message = ''): void {
    if (state === 'waiting' && this.saving !== 'waiting') this.notices.show(t('waiting'), true);
    if (state === 'failed') this.notices.show(t('saveFailed', { message }), true);
    if (state === 'conflict' && this.saving !== 'conflict') {
      this.notices.show(t('conflict'), true, [
        { text: t('keepMine'), run: () => this.desks.get(id)?.saver.overwrite() },
        { text: t('takeTheirs'), run: () => void this.takeTheirs(id) },
      ]);
    }
    this.saving = state;
  }

  private async takeTheirs(id: string): Promise<void> {
    const desk = await this.deskOf(id, true);
    this.saving = 'saved';
    if (this.current === id) this.present(desk);
  }

  private present({ history }: Desk): void {
    this.work = history.now;
    this.canUndo = history.canUndo;
    this.canRedo = history.canRedo;
  }

  async removePicture(id: string): Promise<void> {
    try {
      await this.server.remove(id);
    } catch (error) {
      return this.complain(error);
    }
    const at = this.images.findIndex((image) => image.id === id);
    this.images = this.images.filter((image) => image.id !== id);
    this.desks.delete(id);
    this.pyramids.delete(id);
    if (this.current !== id) return;
    this.current = null;
    this.pyramid = null;
    this.work = NO_WORK;
    const next = this.images[Math.min(at, this.images.length - 1)];
    if (next) void this.open(next.id);
  }

  step(by: number): void {
    const at = this.images.findIndex(({ id }) => id === this.current);
    const next = this.images[at + by];
    if (next) void this.open(next.id);
  }

  get unsaved(): boolean {
    return [...this.desks.values()].some(({ saver }) => saver.unsaved);
  }

  // Changes

  commit(work: Work, amend = false): void {
    const desk = this.current && this.desks.get(this.current);
    if (!desk || work === desk.history.now) return;
    if (amend) desk.history.amend(work);
    else desk.history.push(work);
    this.present(desk);
    this.save(desk, work);
  }

  private save(desk: Desk, work: Work): void {
    desk.saver.save(work);
    this.dropPreview();
    const id = this.current;
    this.images = this.images.map((image) =>
      image.id === id ? { ...image, objects: work.objects.length } : image,
    );
  }

  undo(): void {
    this.travel((history) => history.undo(), t('undone'));
  }

  redo(): void {
    this.travel((history) => history.redo(), t('redone'));
  }

  private travel(go: (history: History<Work>) => Work, word: string): void {
    const desk = this.current && this.desks.get(this.current);
    if (!desk) return;
    const work = go(desk.history);
    if (work === this.work) return;
    this.present(desk);
    this.save(desk, work);
    this.notices.say(word);
  }

  /** Makes an object the one that prompts speak of; null finishes the current one. */
  activate(id: string | null): void {
    this.selected = id === null ? NONE : new Set([id]);
    this.setActive(id);
  }

  private setActive(id: string | null): void {
    const desk = this.current && this.desks.get(this.current);
    this.dropPreview();
    if (!desk || this.work.active === id) return;
    desk.history.amend({ ...this.work, active: id });
    this.work = desk.history.now;
    const object = this.active;
    if (object) this.granularity = object.granularity;
  }

  toggleSelected(id: string): void {
    const selected = new Set(this.chosen.map((object) => object.id));
    if (selected.has(id)) selected.delete(id);
    else selected.add(id);
    this.selected = selected;
    this.setActive(selected.size === 1 ? [...selected][0] : null);
  }

  // Prompts

  private knownOf(object: StudioObject | null): Known | null {
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
    this.line = this.line.then(async () => {
      const image = this.current;
      if (!image || !this.decoder) return;
      const object = anew ? null : this.active;
      if (!object && !prompts.some(isPositive)) return this.notices.show(t('positiveFirst'));
      await this.answer(image, object, this.knownOf(object), prompts);
    });
    return this.line;
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
      const found = await this.decoder!.round({ image, before, prompts, granularity });
      if (this.current !== image) return;
      const given = object ? [...(before ?? this.knownOf(object)!).prompts, ...prompts] : prompts;
      this.accept(object, found, before ? given : prompts, granularity);
    } catch (error) {
      this.complain(error);
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
    // Undone or deleted while the network was busy.
    if (object && !this.work.objects.some(({ id }) => id === object.id)) return;
    if (areaOf(found.mask) === 0) return this.notices.show(t('nothingThere'));
    const { rings, ...answer } = found;
    rememberOutline(answer.mask, rings);
    const change = { ...answer, prompts, granularity };
    const { objects } = this.work;
    const made = object ?? newObject(objects, nextName(objects, t('object')), answer.mask);
    const grown = object ? objects : [...objects, made];
    this.selected = new Set([made.id]);
    this.commit({ ...replaceObject({ objects: grown, active: made.id }, made.id, change) });
    this.announce(made.id);
  }

  private announce(id: string): void {
    const object = this.work.objects.find((other) => other.id === id);
    const { image } = this;
    if (!object || !image) return;
    const share = Math.round((1000 * areaOf(object.mask)) / (image.width * image.height)) / 10;
    this.notices.say(t('answered', { name: object.name, share, score: (object.score ?? 0).toFixed(2) }));
  }

  /** Chooses part, object or whole; the active object is answered again. */
  setGranularity(granularity: Granularity): void {
    this.granularity = granularity;
    this.dropPreview();
    const object = this.active;
    const prompts = object?.prompts.filter(isPlaced) ?? [];
    if (!object || prompts.length === 0 || object.granularity === granularity) return;
    this.line = this.line.then(() => this.answer(this.current!, object, null, prompts));
  }

  /**
   * Shows the mask under the cursor; only the newest place is ever computed. It may be coarse while the mouse moves and
   * becomes fine when the mouse rests.
   */
  look(at: XY | null, positive = true): void {
    if (at) this.hover.look(at, positive);
    else this.hidePreview();
  }

  private hidePreview(): void {
    this.hover.stop();
    this.preview = null;
  }

  /** What the preview was drawn upon has changed. */
  private dropPreview(): void {
    this.hover.settle();
    this.preview = null;
  }

  /** Null when nothing can be asked there, or the answer has come too late. */
  private async previewOf({ at, positive, fine }: Place): Promise<Preview | null> {
    const [image, work, object] = [this.current!, this.work, this.active];
    if (!object && !positive) return null;
    const prompts: Placed[] = [{ type: 'point', x: at[0], y: at[1], positive }];
    const question = { image, before: this.knownOf(object), prompts, granularity: this.granularity };
    const found = await this.decoder!.preview(question, fine);
    return this.current === image && this.work === work && !this.working ? found : null;
  }

  // Pixels

  /** Paints into the active object, or wipes out of it; without one, painting begins an object. */
  paint(points: readonly XY[], width: number, erase: boolean): void {
    const { image, active } = this;
    if (!image) return;
    if (!active && erase) return this.notices.show(t('selectFirst'));
    const stroke = runsOfStroke(points, width, image);
    const { objects } = this.work;
    const object = active ?? newObject(objects, nextName(objects, t('object')), emptyRuns(image));
    const mask = erase ? difference(object.mask, stroke) : union(object.mask, stroke);
    if (areaOf(mask) === 0) return active ? this.remove([active.id]) : undefined;
    const grown = active ? objects : [...objects, object];
    this.commit(
      replaceObject({ objects: grown, active: object.id }, object.id, {
        mask,
        logits: null,
        plain: null,
        prompts: [],
        score: null,
        stability: null,
      }),
    );
    this.selected = new Set([object.id]);
  }

  // The list of objects

  change(id: string, change: Partial<StudioObject>, amend = false): void {
    this.commit(replaceObject(this.work, id, change), amend);
  }

  changeAll(change: Partial<StudioObject>, amend = false): void {
    this.commit(
      { ...this.work, objects: this.work.objects.map((object) => ({ ...object, ...change })) },
      amend,
    );
  }

  remove(ids: readonly string[]): void {
    if (ids.length === 0) return this.notices.show(t('selectFirst'));
    this.selected = NONE;
    this.commit(removeObjects(this.work, new Set(ids)));
    this.notices.say(t('deleted', { count: ids.length }));
  }

  move(id: string, step: number): void {
    this.commit(moveObject(this.work, id, step));
  }

  merge(): void {
    const ids = new Set(this.chosen.map(({ id }) => id));
    if (ids.size < 2) return this.notices.show(t('mergeNone'));
    this.commit(mergeObjects(this.work, ids));
    this.selected = new Set(this.work.active ? [this.work.active] : []);
  }

  split(): void {
    const [object] = this.chosen;
    if (!object) return this.notices.show(t('selectFirst'));
    const work = splitObject(this.work, object.id);
    if (work === this.work) return this.notices.show(t('splitNone'));
    this.commit(work);
  }

  addObjects(objects: readonly StudioObject[]): void {
    this.selected = NONE;
    this.commit({ objects: [...this.work.objects, ...objects], active: null });
  }

  // Classes

  async setClasses(classes: readonly ClassRecord[]): Promise<void> {
    this.classes = classes;
    try {
      await this.server.putClasses(classes);
    } catch (error) {
      this.complain(error);
    }
  }

  /** Returns the colour of a class, which is added when it is new. */
  classColour(name: string): string {
    const known = this.classes.find((item) => item.name === name);
    if (known) return known.colour;
    const colour = COLOURS[this.classes.length % COLOURS.length];
    void this.setClasses([...this.classes, { name, colour }]);
    return colour;
  }

  label(id: string, label: string | null): void {
    this.change(id, label === null ? { label } : { label, colour: this.classColour(label) });
  }

  // Files of labels

  async importFile(file: File): Promise<void> {
    const { image } = this;
    if (!image) return this.notices.show(t('openHint'));
    try {
      const record: unknown = JSON.parse(await file.text());
      const format = formatOf(record);
      if (!format) return this.notices.show(t('importUnknown'), true);
      this.addRecords(await this.server.import(image.id, format, record));
    } catch (error) {
      this.complain(error);
    }
  }

  addRecords(records: readonly ObjectRecord[]): void {
    const objects: StudioObject[] = [];
    for (const record of records) {
      const colour = record.label ? this.classColour(record.label) : record.colour;
      objects.push(fromRecord({ ...record, colour }, [...this.work.objects, ...objects], t('object')));
    }
    this.addObjects(objects);
    this.notices.show(t('importDone', { count: objects.length }));
  }

  complain(error: unknown): void {
    this.notices.show(messageOf(error), true);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
