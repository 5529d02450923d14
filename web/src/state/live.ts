// What others do to the same pictures is shown as it happens: at once between tabs of one browser, else within seconds.

import { ServerError } from '../server/client.ts';
import type { Studio } from './studio.svelte.ts';

const EVERY_MS = 4000;
const CLASSES = 'classes';

export class Live {
  private readonly tabs = new BroadcastChannel('promptseg');

  constructor(private readonly studio: Studio) {
    this.tabs.onmessage = ({ data }: MessageEvent<string>) =>
      data === CLASSES ? studio.classes.pull() : void this.look(data);
  }

  start(): void {
    const look = (): void => {
      if (!document.hidden) void this.look(this.studio.changes.picture);
    };
    setInterval(look, EVERY_MS);
    document.addEventListener('visibilitychange', look);
  }

  /** Tells the other tabs that the work on a picture was stored. */
  tell(picture: string): void {
    this.tabs.postMessage(picture);
  }

  tellClasses(): void {
    this.tabs.postMessage(CLASSES);
  }

  private async look(picture: string | null): Promise<void> {
    if (picture === null) return;
    try {
      await this.studio.changes.pull(picture);
    } catch (error) {
      if (error instanceof ServerError && error.status === 404) this.studio.pictures.lose(picture);
      else this.studio.complain(error);
    }
  }
}
