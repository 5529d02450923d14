// Brings the work to the server after every change: one request at a time, the newest state only, again until it is there.

import { OfflineError, ServerError } from '../server/client.ts';

export type SaveState = 'saved' | 'saving' | 'waiting' | 'failed';

export interface Store<T> {
  put(state: T, version: number): Promise<number>;
  /** Somebody else stored something meanwhile: both are brought together, and what results is to be put. */
  merge(): Promise<{ state: T; version: number }>;
}

const AGAIN_MS = 2000;

export class Saver<T> {
  private pending: { state: T } | null = null;
  private running = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store<T>,
    public version: number,
    private readonly tell: (state: SaveState, error?: unknown) => void,
  ) {}

  save(state: T): void {
    this.pending = { state };
    this.hurry();
  }

  /** Tries again at once. */
  hurry(): void {
    clearTimeout(this.timer);
    void this.run();
  }

  get unsaved(): boolean {
    return this.pending !== null || this.running;
  }

  private async run(): Promise<void> {
    if (this.running || !this.pending) return;
    this.running = true;
    while (this.pending) {
      const sent: { state: T } = this.pending;
      this.tell('saving');
      try {
        this.version = await this.store.put(sent.state, this.version);
        if (this.pending === sent) this.pending = null;
      } catch (error) {
        if (!(await this.mend(error))) break;
      }
    }
    this.running = false;
    if (!this.pending) this.tell('saved');
  }

  /** Returns whether saving can go on at once. */
  private async mend(error: unknown): Promise<boolean> {
    try {
      if (!(error instanceof ServerError && error.status === 409)) throw error;
      const { state, version } = await this.store.merge();
      this.pending = { state };
      this.version = version;
      return true;
    } catch (fault) {
      const passing = fault instanceof OfflineError || (fault instanceof ServerError && fault.status >= 500);
      this.tell(passing ? 'waiting' : 'failed', fault);
      if (passing) this.timer = setTimeout(() => void this.run(), AGAIN_MS);
      return false;
    }
  }
}
