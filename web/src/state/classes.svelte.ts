// The classes of the workspace, with their colours, and which of them new objects get.

import { OfflineError } from '../server/client.ts';
import type { ClassBody } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import { COLOURS, type StudioObject } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export interface ClassColour {
  readonly name: string;
  readonly colour: string;
}

const KEPT = 'promptseg.class';

export class Classes {
  all = $state.raw<readonly ClassColour[]>([]);
  private chosen = $state(localStorage.getItem(KEPT));
  private saving: Promise<void> = Promise.resolve();

  constructor(private readonly studio: Studio) {}

  /** Takes the server's classes; those that have no colour yet get one. */
  take(classes: readonly ClassBody[]): void {
    this.all = coloured(classes);
  }

  /** Takes the list as others have left it by now. */
  pull(): void {
    this.queue(async () => this.take(await this.studio.server.classes()));
  }

  /** Changes the list here and on the server, where others may have changed it meanwhile. */
  private change(change: (classes: readonly ClassColour[]) => readonly ClassColour[]): void {
    const { live, server } = this.studio;
    this.all = change(this.all);
    this.queue(async () => {
      const now = change(coloured(await server.classes()));
      await server.putClasses(now);
      this.all = now;
      live.tellClasses();
    });
  }

  /** Does something with the server in its turn; when it is away, once it is back. */
  private queue(act: () => Promise<void>): void {
    const { connection } = this.studio;
    const run = (): Promise<void> =>
      act().catch((error) => {
        this.studio.complain(error);
        if (error instanceof OfflineError) return connection.returned().then(run);
      });
    this.saving = this.saving.then(run);
  }

  /** Takes a class out of the list, once that was asked; it can be put back. Objects keep their class. */
  async askRemove(item: ClassColour): Promise<void> {
    const { notices, objects, questions } = this.studio;
    const { name } = item;
    const count = objects.all.filter(({ label }) => label === name).length;
    const title = t('removeClass', { name });
    const text = t('removeClassAsk', { name, count });
    if (!(await questions.ask(title, text, [{ value: 'remove', text: title }]))) return;
    const place = this.all.findIndex((other) => other.name === name);
    if (place < 0) return;
    const without = (classes: readonly ClassColour[]) => classes.filter((other) => other.name !== name);
    this.change(without);
    const putBack = (): void => this.change((classes) => without(classes).toSpliced(place, 0, item));
    notices.show(t('classRemoved', { name }), false, [{ text: t('undo'), run: putBack }]);
  }

  /** Returns the colour of a class, which is added when it is new. */
  colourOf(name: string): string {
    const known = this.all.find((item) => item.name === name);
    if (known) return known.colour;
    const colour = colourAt(this.all.length);
    this.change((classes) =>
      classes.some((item) => item.name === name) ? classes : [...classes, { name, colour }],
    );
    return colour;
  }

  /** The class that new objects get. */
  get active(): string | null {
    return this.all.some(({ name }) => name === this.chosen) ? this.chosen : null;
  }

  activate(name: string | null): void {
    this.chosen = name;
    if (name === null) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, name);
  }

  /** Makes a class that of new objects and gives it to the selected ones; without any, once more means none. */
  choose(name: string): void {
    const { notices, objects } = this.studio;
    const ids = objects.chosenIds;
    const none = ids.length === 0 && this.active === name;
    this.activate(none ? null : name);
    if (ids.length > 0) this.give(ids, name);
    if (none) notices.say(t('classNone'));
    else
      notices.say(ids.length > 0 ? t('classGiven', { count: ids.length, name }) : t('classActive', { name }));
  }

  /** Chooses a class by its place in the list, from 1. */
  chooseAt(number: number): void {
    const item = this.all[number - 1];
    if (item) this.choose(item.name);
    else this.studio.notices.show(t('classMissing', { number }));
  }

  /** The class that a name means: one that differs in capital letters only is the same. */
  called(name: string): string {
    const folded = name.toLowerCase();
    const known = this.all.filter((item) => item.name.toLowerCase() === folded);
    return (known.find((item) => item.name === name) ?? known[0])?.name ?? name;
  }

  /** What makes an object one of a class, which is added when it is new. */
  dress(label: string | null): Partial<StudioObject> {
    return label === null ? {} : { label, colour: this.colourOf(label) };
  }

  /** Gives objects of the picture on show a class: those that are still being computed, in their turn. */
  give(ids: readonly string[], label: string | null): void {
    const { changes, dialogue } = this.studio;
    const { picture } = changes;
    if (picture === null) return;
    const change = { label, ...this.dress(label) };
    const give = (some: readonly string[]): void =>
      changes.edit(picture, (work) => {
        const objects = changed(work.objects, ({ id }) => some.includes(id), change);
        return objects === work.objects ? work : { ...work, objects };
      });
    const coming = ids.filter((id) => dialogue.awaits(picture, id));
    give(ids.filter((id) => !coming.includes(id)));
    for (const id of coming) dialogue.after(picture, id, () => give([id]));
  }

  /** Adds the classes that a file lists; those that are there stay as they are. */
  async import(text: string): Promise<void> {
    const { notices, server } = this.studio;
    try {
      const names = await server.classNames(text);
      const fresh = names.filter((name) => !this.all.some((item) => item.name === name));
      this.change((classes) => {
        const added = fresh.filter((name) => !classes.some((item) => item.name === name));
        return [...classes, ...added.map((name, at) => ({ name, colour: colourAt(classes.length + at) }))];
      });
      notices.show(t('classesAdded', { count: fresh.length }));
    } catch (error) {
      this.studio.complain(error);
    }
  }

  /** Gives a class another colour, and with it all its objects. */
  async recolour(name: string, colour: string): Promise<void> {
    if (await this.redress(name, { colour }))
      this.change((classes) => classes.map((item) => (item.name === name ? { name, colour } : item)));
  }

  /** Gives a class another name, in all pictures; that of another class joins both, once that was asked. */
  async rename(name: string, other: string): Promise<void> {
    const { notices, questions } = this.studio;
    if (!other || other === name) return;
    const joined = this.all.find((item) => item.name === other);
    if (joined) {
      const choices = [{ value: 'join', text: t('merge') }];
      const [title, text] = [t('joinClasses', { name, other }), t('joinClassesAsk', { name, other })];
      if (!(await questions.ask(title, text, choices))) return;
    }
    if (!(await this.redress(name, { label: other, ...(joined && { colour: joined.colour }) }))) return;
    if (this.chosen === name) this.activate(other);
    this.change((classes) =>
      classes.some((item) => item.name === other)
        ? classes.filter((item) => item.name !== name)
        : classes.map((item) => (item.name === name ? { ...item, name: other } : item)),
    );
    const back = { text: t('undo'), run: () => void this.rename(other, name) };
    notices.show(t('classRenamed', { name, other }), false, joined ? [] : [back]);
  }

  /** Changes the objects of a class in all pictures; false, and nothing is changed, when they cannot be reached. */
  private async redress(name: string, change: Partial<StudioObject>): Promise<boolean> {
    const { changes, pictures, server } = this.studio;
    try {
      const meant: string[] = [];
      for (const { id, objects, suggested } of pictures.images) {
        const known = changes.workOf(id) !== null;
        if (
          known ||
          (objects + suggested > 0 && (await server.objects(id)).objects.some(({ label }) => label === name))
        )
          meant.push(id);
      }
      for (const id of meant)
        await changes.rewrite(id, (work) => {
          const objects = changed(work.objects, ({ label }) => label === name, change);
          return objects === work.objects ? work : { ...work, objects };
        });
      return true;
    } catch (error) {
      this.studio.complain(error);
      return false;
    }
  }
}

/** The classes whose name has a text in it; those that begin with it come first. */
export function matching(classes: readonly ClassColour[], text: string): readonly ClassColour[] {
  const wanted = text.trim().toLowerCase();
  const places = classes.map((item) => ({ item, at: item.name.toLowerCase().indexOf(wanted) }));
  const found = places.filter(({ at }) => at >= 0);
  return found.sort((a, b) => Number(a.at > 0) - Number(b.at > 0)).map(({ item }) => item);
}

/** Returns objects with a change to some of them; the same list, when that changes nothing. */
function changed(
  objects: readonly StudioObject[],
  meant: (object: StudioObject) => boolean,
  change: Partial<StudioObject>,
): readonly StudioObject[] {
  const keys = Object.keys(change) as (keyof StudioObject)[];
  const other = (object: StudioObject): boolean =>
    meant(object) && keys.some((key) => object[key] !== change[key]);
  return objects.some(other)
    ? objects.map((object) => (other(object) ? { ...object, ...change } : object))
    : objects;
}

function coloured(classes: readonly ClassBody[]): ClassColour[] {
  return classes.map(({ name, colour }, at) => ({ name, colour: colour ?? colourAt(at) }));
}

function colourAt(place: number): string {
  return COLOURS[place % COLOURS.length];
}
