// The desk of one picture: the work on it, what undo knows of it, and its way to the server.

import type { Server } from '../server/client.ts';
import type { ObjectBody, StoredObjectsBody } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import type { Draft, Drafts } from './drafts.ts';
import { History } from './history.ts';
import { mergeWork, same } from './merge.ts';
import { fromRecord, type StudioObject, toRecord, type Work } from './objects.ts';
import { Saver, type SaveState } from './saver.ts';

/** A version that is never stored. */
const NONE = -1;

/** Who hears of a desk. */
export interface Watcher {
  told(picture: string, state: SaveState, error?: unknown): void;
  /** The work has become another one by what somebody else did. */
  merged(picture: string, clashes: readonly StudioObject[]): void;
}

export class Desk {
  readonly history: History<Work>;
  readonly saver: Saver<Work>;

  private constructor(
    private readonly server: Server,
    readonly picture: string,
    /** What the server has, as far as it is known here. */
    private stored: readonly StudioObject[],
    version: number,
    private readonly drafts: Drafts,
    private readonly watcher: Watcher,
  ) {
    this.history = new History<Work>({ objects: stored, active: null });
    const store = {
      put: (work: Work, base: number) => this.put(work, base),
      merge: async () => {
        const stored = (await server.objectsSince(picture, NONE))!;
        this.merge(stored);
        return { state: this.now, version: stored.version };
      },
    };
    this.saver = new Saver<Work>(store, version, (state, error) => {
      if (state === 'saved') void drafts.drop(picture);
      watcher.told(picture, state, error);
    });
  }

  /** Sets up the desk of a picture with the objects that the server has, and with those that it did not get last time. */
  static async of(server: Server, picture: string, drafts: Drafts, watcher: Watcher): Promise<Desk> {
    const [{ objects, version }, draft] = await Promise.all([server.objects(picture), drafts.get(picture)]);
    const desk = new Desk(server, picture, objectsOf(objects), version, drafts, watcher);
    if (draft) desk.takeUp(draft);
    return desk;
  }

  private takeUp({ base, objects }: Draft): void {
    const mine: Work = { objects: objectsOf(objects), active: null };
    const { work } = mergeWork(objectsOf(base), mine, this.stored);
    const known = work.objects.every(
      (object, place) => this.stored[place] && same(object, this.stored[place]),
    );
    if (known && work.objects.length === this.stored.length) return void this.drafts.drop(this.picture);
    this.history.push(work);
    this.save();
  }

  /** Brings the work to the server; until it is there, it is kept in this browser. */
  save(): void {
    const { picture, stored, now } = this;
    void this.drafts.put({ picture, base: stored.map(toRecord), objects: now.objects.map(toRecord) });
    this.saver.save(now);
  }

  get now(): Work {
    return this.history.now;
  }

  /** Brings in what others did since the last look; what is on its way to the server will do so by itself. */
  async pull(): Promise<void> {
    if (this.saver.unsaved) return;
    const stored = await this.server.objectsSince(this.picture, this.saver.version);
    if (!stored || this.saver.unsaved) return;
    this.merge(stored);
    this.saver.version = stored.version;
  }

  private async put(work: Work, base: number): Promise<number> {
    const { version } = await this.server.putObjects(this.picture, base, work.objects.map(toRecord));
    this.stored = work.objects;
    return version;
  }

  private merge({ objects }: StoredObjectsBody): void {
    const base = this.stored;
    const theirs = objectsOf(objects).map((object) => {
      const known = base.find(({ id }) => id === object.id);
      return known && same(known, object) ? known : object;
    });
    const { clashes } = mergeWork(base, this.now, theirs);
    this.history.rebase((work) => mergeWork(base, work, theirs).work);
    this.stored = theirs;
    this.watcher.merged(this.picture, clashes);
  }
}

function objectsOf(records: readonly ObjectBody[]): StudioObject[] {
  const objects: StudioObject[] = [];
  for (const record of records) objects.push(fromRecord(record, objects, t('object')));
  return objects;
}
