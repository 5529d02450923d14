// The desk of one picture: the work on it, what undo knows of it, and its way to the server.

import type { Server } from '../server/client.ts';
import { t } from '../words/words.svelte.ts';
import { History } from './history.ts';
import { fromRecord, type StudioObject, toRecord, type Work } from './objects.ts';
import { Saver, type SaveState } from './saver.ts';

export interface Desk {
  readonly history: History<Work>;
  readonly saver: Saver<Work>;
}

/** Sets up the desk of a picture with the objects that the server has. */
export async function setUp(
  server: Server,
  picture: string,
  tell: (state: SaveState, message?: string) => void,
): Promise<Desk> {
  const stored = await server.objects(picture);
  const objects: StudioObject[] = [];
  for (const record of stored.objects) objects.push(fromRecord(record, objects, t('object')));
  const store = {
    put: async (work: Work, version: number | null) =>
      (await server.putObjects(picture, version, work.objects.map(toRecord))).version,
  };
  return {
    history: new History<Work>({ objects, active: null }),
    saver: new Saver<Work>(store, stored.version, tell),
  };
}
