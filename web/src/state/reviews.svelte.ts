// The queue: how far the work on each picture is, who works here, and how long it takes.

import type { PictureState } from '../server/client.ts';
import type { ImageBody } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import type { Studio } from './studio.svelte.ts';
import { WorkClock } from './work_clock.ts';

export type Filter = PictureState | 'all' | 'marked' | 'suggested';

const NAME = 'promptseg.annotator';
const TICK_MS = 1000;
/** Time is told to the server in steps of so many seconds. */
const STEP_SECONDS = 20;
/** Pictures that need no more work. */
const FINISHED: readonly PictureState[] = ['done', 'review', 'accepted'];

export class Reviews {
  filter = $state<Filter>('all');
  annotator = $state(localStorage.getItem(NAME) ?? '');
  private readonly clock = new WorkClock();
  private readonly seconds = new Map<string, number>();
  /** What was worked on a picture since its objects were last changed. */
  private readonly fresh = new Map<string, number>();

  constructor(private readonly studio: Studio) {}

  /** Begins to count the time that is worked. */
  start(): void {
    const busy = (): void => this.clock.busy(performance.now());
    for (const event of ['pointerdown', 'pointermove', 'keydown', 'wheel'])
      addEventListener(event, busy, { passive: true });
    setInterval(() => this.tick(), TICK_MS);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) return;
      this.clock.rest(performance.now());
      this.count();
      this.tellTime(0);
    });
  }

  private tick(): void {
    this.count();
    this.tellTime(STEP_SECONDS);
  }

  /** Counts what was worked since the last time, for the picture on show. */
  private count(): void {
    const seconds = this.clock.take(performance.now());
    const { picture } = this.studio.changes;
    if (picture === null || seconds === 0) return;
    for (const sums of [this.seconds, this.fresh]) sums.set(picture, (sums.get(picture) ?? 0) + seconds);
  }

  /** The seconds of work on a picture since this was last asked: what its objects are changed with took so long. */
  takeFresh(picture: string): number {
    this.count();
    const seconds = this.fresh.get(picture) ?? 0;
    this.fresh.delete(picture);
    return seconds;
  }

  /** Tells the server of the time on pictures that were left, or that has grown by a step. */
  private tellTime(least: number): void {
    const { changes, connection, pictures, server } = this.studio;
    if (connection.away) return;
    for (const [picture, seconds] of this.seconds) {
      if (picture === changes.picture && seconds < least) continue;
      this.seconds.delete(picture);
      server.putReview(picture, { seconds }).then(
        (image) => pictures.update(picture, { seconds: image.seconds }),
        () => undefined, // of a picture that was removed, or told to a server that is away
      );
    }
  }

  call(name: string): void {
    this.annotator = name.trim().slice(0, 100);
    localStorage.setItem(NAME, this.annotator);
    this.studio.server.annotator = this.annotator;
  }

  /**
   * The pictures of the strip, filtered; the one on show is always among them. Those with suggestions are sorted by
   * the least sure of them.
   */
  get strip(): readonly ImageBody[] {
    const { pictures } = this.studio;
    const shown = pictures.images.filter((image) => image.id === pictures.current || this.fits(image));
    if (this.filter !== 'suggested') return shown;
    return [...shown].sort((a, b) => (a.least ?? Infinity) - (b.least ?? Infinity) || 0);
  }

  private fits({ id, state, suggested }: ImageBody): boolean {
    if (this.filter === 'all') return true;
    if (this.filter === 'marked') return this.studio.pictures.marked.has(id);
    return this.filter === 'suggested' ? suggested > 0 : state === this.filter;
  }

  /** How many pictures are finished. */
  get finished(): number {
    return this.studio.pictures.images.filter(({ state }) => FINISHED.includes(state)).length;
  }

  /** Says how far the picture on show is. */
  async put(state: PictureState, comment = ''): Promise<boolean> {
    const { changes, pictures, server } = this.studio;
    const { picture } = changes;
    if (picture === null) return false;
    try {
      const { annotator } = await server.putReview(picture, { state, comment });
      pictures.update(picture, { state, comment, annotator });
      this.studio.notices.say(t('stateIs', { state: t(`state_${state}`) }));
      return true;
    } catch (error) {
      this.studio.complain(error);
      return false;
    }
  }

  /** Asks why a picture is rejected, and says so. */
  async reject(): Promise<void> {
    const comment = prompt(t('rejectAsk'))?.trim();
    if (comment !== undefined) await this.put('rejected', comment);
  }

  /** Opens the next picture that is not finished; after the last one it begins anew. */
  next(): void {
    const { notices, pictures } = this.studio;
    const { strip } = this;
    const at = strip.findIndex(({ id }) => id === pictures.current);
    const order = [...strip.slice(at + 1), ...strip.slice(0, Math.max(0, at))];
    const next = order.find(({ state }) => !FINISHED.includes(state));
    if (next) void pictures.open(next.id);
    else notices.show(t('allFinished'));
  }

  /** Finishes the picture on show and goes on with the next. */
  async finish(): Promise<void> {
    if (await this.put('done')) this.next();
  }
}
