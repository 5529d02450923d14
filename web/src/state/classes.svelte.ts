// The classes of the workspace, with their colours.

import type { ClassBody } from '../server/openapi.ts';
import { COLOURS } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export interface ClassColour {
  readonly name: string;
  readonly colour: string;
}

export class Classes {
  all = $state.raw<readonly ClassColour[]>([]);

  constructor(private readonly studio: Studio) {}

  /** Takes the server's classes; those that have no colour yet get one. */
  take(classes: readonly ClassBody[]): void {
    this.all = classes.map(({ name, colour }, at) => ({ name, colour: colour ?? colourAt(at) }));
  }

  async set(classes: readonly ClassColour[]): Promise<void> {
    this.all = classes;
    try {
      await this.studio.server.putClasses(classes);
    } catch (error) {
      this.studio.complain(error);
    }
  }

  /** Returns the colour of a class, which is added when it is new. */
  colourOf(name: string): string {
    const known = this.all.find((item) => item.name === name);
    if (known) return known.colour;
    const colour = colourAt(this.all.length);
    void this.set([...this.all, { name, colour }]);
    return colour;
  }

  /** Gives a class another colour, and with it all its objects. */
  recolour(name: string, colour: string): void {
    void this.set(this.all.map((item) => (item.name === name ? { name, colour } : item)));
    this.studio.objects.changeAll(({ label }) => (label === name ? { colour } : null));
  }

  label(id: string, label: string | null): void {
    this.studio.objects.change(id, label === null ? { label } : { label, colour: this.colourOf(label) });
  }
}

function colourAt(place: number): string {
  return COLOURS[place % COLOURS.length];
}
