// Brings the work to the server after every change: one request at a time, the newest state only, again until it is there.

import { OfflineError, ServerError } from '../server/client.ts';

export type SaveState = 'saved' | 'saving' | 'waiting' | 'conflict' | 'failed';

export interface Store<T> {
  put(state: T, version: number | null): Promise<number>;
}

const AGAIN_MS = 2000;

export class Saver<T> {
  private pending: { state: T } | null = null;
  private running = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store<T>,
    private version: number | null,
    private readonly tell: (state: SaveState, message?: string) => void,
  ) {}

  save(state: T): void {
    this.pending = { state };
    clearTimeout(this.timer);
    void this.run();
  }

  /** Lets the next save overwrite what somebody else stored. */
  overwrite(): void {
    this.version = null;
    void this.run();
  }

  get unsaved(): boolean {
    return this.pending !== null || this.running;
  }

  private async run(): Promise<void> {
    if (this.running || !this.pending) return;
    this.running = true;
    const { state } = this.pending;
    const sent = this.pending;
    this.tell('saving');
    let good = false;
    try {
      this.version = await this.store.put(state, this.version);
      if (this.pending === sent) this.pending = null;
      good = true;
    } catch (error) {
      this.explain(error);
    }
    this.running = false;
    if (!good) return;
    if (this.pending) void this.run();
    else this.tell('saved');
  }

  private explain(error: unknown): void {
    if (error instanceof ServerError && error.status === 409) return this.tell('conflict');
    const passing = error instanceof OfflineError || (error instanceof ServerError && error.status >= 500);
    if (!passing) return this.tell('failed', error instanceof Error ? error.message : String(error));
    this.tell('waiting');
    this.timer = setTimeout(() => void this.run(), AGAIN_MS);
  }
}
