// The classes of the workspace, with their colours.

import type { ClassBody } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import { COLOURS } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export interface ClassColour {
  readonly name: string;
  readonly colour: string;
}

export class Classes {
  all = $state.raw<readonly ClassColour[]>([]);
  private saving: Promise<void> = Promise.resolve();

  constructor(private readonly studio: Studio) {}

  /** Takes the server's classes; those that have no colour yet get one. */
  take(classes: readonly ClassBody[]): void {
    this.all = coloured(classes);
  }

  /** Changes the list here and on the server, where others may have changed it meanwhile. */
  private change(change: (classes: readonly ClassColour[]) => readonly ClassColour[]): Promise<void> {
    this.all = change(this.all);
    this.saving = this.saving.then(async () => {
      const { server } = this.studio;
      try {
        const now = change(coloured(await server.classes()));
        await server.putClasses(now);
        this.all = now;
      } catch (error) {
        this.studio.complain(error);
      }
    });
    return this.saving;
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
    await this.change(without);
    const putBack = (): void => {
      void this.change((classes) => without(classes).toSpliced(place, 0, item));
    };
    notices.show(t('classRemoved', { name }), false, [{ text: t('undo'), run: putBack }]);
  }

  /** Returns the colour of a class, which is added when it is new. */
  colourOf(name: string): string {
    const known = this.all.find((item) => item.name === name);
    if (known) return known.colour;
    const colour = colourAt(this.all.length);
    void this.change((classes) =>
      classes.some((item) => item.name === name) ? classes : [...classes, { name, colour }],
    );
    return colour;
  }

  /** Gives a class another colour, and with it all its objects. */
  recolour(name: string, colour: string): void {
    void this.change((classes) => classes.map((item) => (item.name === name ? { name, colour } : item)));
    this.studio.objects.changeAll(({ label }) => (label === name ? { colour } : null));
  }

  label(id: string, label: string | null): void {
    this.studio.objects.change(id, label === null ? { label } : { label, colour: this.colourOf(label) });
  }
}

function coloured(classes: readonly ClassBody[]): ClassColour[] {
  return classes.map(({ name, colour }, at) => ({ name, colour: colour ?? colourAt(at) }));
}

function colourAt(place: number): string {
  return COLOURS[place % COLOURS.length];
}
