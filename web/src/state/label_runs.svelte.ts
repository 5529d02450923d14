// Runs that label many pictures in the background, on the server.

import type { RunBody } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import type { Studio } from './studio.svelte.ts';

const EVERY_MS = 1500;

export interface Word {
  readonly phrase: string;
  readonly label: string | null;
}

/** Reads one class on each line: the words, and after "=" the class, if it is to be another than their noun. */
export function wordsOf(text: string): Word[] {
  return text
    .split('\n')
    .map((line) => {
      const [phrase, label] = line.split(/[=＝]/, 2).map((part) => part.trim());
      return { phrase, label: label || null };
    })
    .filter(({ phrase }) => phrase);
}

export class LabelRuns {
  all = $state.raw<readonly RunBody[]>([]);
  private looking = false;

  constructor(private readonly studio: Studio) {}

  /** The one that works or waits, if any. */
  get current(): RunBody | null {
    return this.all.find(({ state }) => state === 'running' || state === 'waiting') ?? null;
  }

  /** The newest, when it has more to do and does not. */
  get stopped(): RunBody | null {
    const [last] = this.all;
    return last && (last.state === 'stopped' || last.state === 'failed') ? last : null;
  }

  async begin(words: readonly Word[], images: readonly string[]): Promise<void> {
    await this.change(() => this.studio.server.beginRun({ classes: words, images }));
  }

  async stop(id: string): Promise<void> {
    await this.change(() => this.studio.server.changeRun(id, 'stop'));
  }

  async resume(id: string): Promise<void> {
    await this.change(() => this.studio.server.changeRun(id, 'resume'));
  }

  private async change(act: () => Promise<RunBody>): Promise<void> {
    try {
      const run = await act();
      this.all = [run, ...this.all.filter(({ id }) => id !== run.id)];
    } catch (error) {
      this.studio.complain(error);
    }
    await this.look();
  }

  /** Looks how far the runs are, as long as one works, and brings in what they find. */
  async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      for (;;) {
        const before = this.current;
        this.all = await this.studio.server.runs();
        const now = this.all.find(({ id }) => id === before?.id);
        if (before && now && (now.done > before.done || now.state !== before.state)) await this.bringIn(now);
        if (!this.current) break;
        await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
        await this.studio.connection.returned();
      }
    } catch (error) {
      this.studio.complain(error);
    }
    this.looking = false;
  }

  private async bringIn(run: RunBody): Promise<void> {
    const { changes, classes, notices, pictures } = this.studio;
    classes.pull();
    await pictures.refresh();
    for (const { id } of pictures.images) if (changes.workOf(id)) await changes.pull(id);
    const count = run.found;
    if (run.state === 'done') notices.show(t('runDone', { count, pictures: run.total }));
    else if (run.state === 'stopped')
      notices.show(t('runStopped', { count, done: run.done, total: run.total }));
    if (run.error && run.state !== 'running') notices.show(run.error, true);
  }
}
