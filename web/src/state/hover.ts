// What a hovering mouse asks: the newest place only, coarsely while the mouse moves and finely when it rests.

import type { Preview } from '../decoder/messages.ts';
import type { XY } from '../geometry.ts';

/** Milliseconds after which a mouse rests. */
const REST = 250;

export interface Place {
  readonly at: XY;
  readonly positive: boolean;
  readonly fine: boolean;
}

export class Hover {
  private wanted: Place | null = null;
  private resting: ReturnType<typeof setTimeout> | undefined;
  private busy = false;
  private left = true;

  /**
   * @param ready - whether places can be answered now; until then the newest one waits.
   * @param ask - answers a place; null when there is nothing to show there.
   * @param show - gets answers, unless the mouse has left meanwhile.
   */
  constructor(
    private readonly ready: () => boolean,
    private readonly ask: (place: Place) => Promise<Preview | null>,
    private readonly show: (preview: Preview, positive: boolean) => void,
  ) {}

  look(at: XY, positive: boolean): void {
    this.want({ at, positive, fine: false });
  }

  /** Forgets the place: the mouse has left, or something else is going on there. */
  stop(): void {
    clearTimeout(this.resting);
    this.wanted = null;
    this.left = true;
  }

  /** What is there has changed: no finer answer to the old question is wanted. */
  settle(): void {
    clearTimeout(this.resting);
  }

  private want(place: Place): void {
    clearTimeout(this.resting);
    this.wanted = place;
    this.left = false;
    void this.run();
  }

  /** Answers what waits; to be called when that has become possible. */
  async run(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    while (this.wanted && this.ready()) {
      const place = this.wanted;
      this.wanted = null;
      const found = await this.ask(place).catch(() => null); // a click will say what is wrong
      if (!found || this.left) continue;
      this.show(found, place.positive);
      if (found.coarse && !this.wanted)
        this.resting = setTimeout(() => this.want({ ...place, fine: true }), REST);
    }
    this.busy = false;
  }
}
