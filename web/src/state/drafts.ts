// Work that the server does not have yet, kept in this browser: it outlives the page, and is sent when both are back.

import type { ObjectBody } from '../server/openapi.ts';

export interface Draft {
  readonly picture: string;
  /** What the server had when the work was done. */
  readonly base: readonly ObjectBody[];
  readonly objects: readonly ObjectBody[];
}

const STORE = 'drafts';

export class Drafts {
  private readonly opened: Promise<IDBDatabase | null> = open();

  async put(draft: Draft): Promise<void> {
    await this.ask('readwrite', (store) => store.put(draft));
  }

  async drop(picture: string): Promise<void> {
    await this.ask('readwrite', (store) => store.delete(picture));
  }

  async get(picture: string): Promise<Draft | null> {
    return (await this.ask<Draft | undefined>('readonly', (store) => store.get(picture))) ?? null;
  }

  /** The pictures that there are drafts of. */
  async pictures(): Promise<readonly string[]> {
    return ((await this.ask('readonly', (store) => store.getAllKeys())) ?? []) as string[];
  }

  private async ask<T>(
    mode: IDBTransactionMode,
    ask: (store: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T | null> {
    const database = await this.opened;
    if (!database) return null;
    return new Promise((resolve) => {
      const request = ask(database.transaction(STORE, mode).objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
    });
  }
}

/** Null where a browser keeps nothing, such as in a private window; work then lives as long as the page. */
function open(): Promise<IDBDatabase | null> {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open('promptseg', 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'picture' });
      request.onsuccess = () => resolve(request.result);
      request.onerror = request.onblocked = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}
