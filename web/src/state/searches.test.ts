import { describe, expect, it, vi } from 'vitest';
import { toCoco } from '../masks/coco.ts';
import { runsOfCrop } from '../masks/runs.ts';
import type { StreamLine } from '../server/client.ts';
import { NO_WORK, type Work } from './objects.ts';
import { Searches } from './searches.svelte.ts';
import type { Studio } from './studio.svelte.ts';

vi.mock('../words/words.svelte.ts', async () => {
  const [{ en }, { filled }] = await Promise.all([import('../words/en.ts'), import('../words/filled.ts')]);
  return { t: (word: keyof typeof en, values = {}) => filled(en[word], values, 'en') };
});

const size = { height: 20, width: 40 };

function lineOf(x: number, side: number): StreamLine {
  const runs = runsOfCrop(new Uint8Array(side * side).fill(1), { height: side, width: side }, x, 0, size);
  const mask = { segmentation: toCoco(runs), score: 0.9, points: [[x, 0]] };
  return { type: 'masks', masks: [mask] } as unknown as StreamLine;
}

/** A studio with two pictures, of which A is on show; its server finds what it is told to. */
function studioOf(
  lines: (signal: AbortSignal, studio: { shown: string }, search: string) => AsyncGenerator<StreamLine>,
) {
  const finished: [string, string][] = [];
  const works = new Map<string, Work>([
    ['A', NO_WORK],
    ['B', NO_WORK],
  ]);
  const told: string[] = [];
  const state = { shown: 'A' };
  const studio = {
    changes: {
      get picture() {
        return state.shown;
      },
      workOf: (picture: string) => works.get(picture),
      edit: (picture: string, change: (work: Work) => Work) =>
        works.set(picture, change(works.get(picture)!)),
    },
    objects: {
      get all() {
        return works.get(state.shown)!.objects;
      },
      select: () => undefined,
    },
    notices: { show: (text: string) => told.push(text) },
    pictures: { images: [{ id: 'A', name: 'a.jpg' }] },
    classes: {
      called: (name: string) => (name.toLowerCase() === 'cup' ? 'Cup' : name),
      dress: (label: string | null) => (label === null ? {} : { label }),
    },
    decoding: { models: [] },
    questions: { ask: async () => 'new' },
    complain: (error: unknown) => told.push(String(error)),
    server: {
      everything: (_: string, search: string, signal: AbortSignal) => lines(signal, state, search),
      finishSearch: async (picture: string, search: string) => void finished.push([picture, search]),
      segment: async (_: string, [{ phrase }]: readonly { phrase: string }[]) => ({
        masks: (lineOf(0, 4) as unknown as { masks: object[] }).masks.map((mask) => ({
          ...mask,
          label: phrase,
          noun: phrase.split(' ').at(-1),
        })),
      }),
    },
  };
  return { searches: new Searches(studio as unknown as Studio), works, told, finished };
}

describe('a search', () => {
  it('keeps what was found until it is stopped, and says so', async () => {
    let asked = '';
    const { searches, works, told, finished } = studioOf(async function* (signal, _, search) {
      asked = search;
      searches.stop(); // the server is asked for what it has until now
      yield lineOf(0, 4);
      signal.throwIfAborted();
      yield { type: 'done', count: 1, cut: true };
    });
    await searches.everything();
    expect(finished).toEqual([['A', asked]]);
    expect(works.get('A')!.objects).toHaveLength(1);
    expect(told).toEqual(['The search in a.jpg was stopped; 1 object was found until then and kept.']);
    expect(searches.running).toBeNull();
  });

  it('that is stopped twice is cut off, and keeps what came', async () => {
    const { searches, works } = studioOf(async function* (signal) {
      yield lineOf(0, 4);
      searches.stop();
      searches.stop();
      signal.throwIfAborted();
    });
    await searches.everything();
    expect(works.get('A')!.objects).toHaveLength(1);
  });

  it('keeps what was found when the server fails', async () => {
    const { searches, works, told } = studioOf(async function* () {
      yield lineOf(0, 4);
      throw new Error('gone');
    });
    await searches.everything();
    expect(works.get('A')!.objects).toHaveLength(1);
    expect(told[0]).toMatch('gone');
  });

  it('adds to its own picture when another one is on show by then', async () => {
    const { searches, works, told } = studioOf(async function* (_, state) {
      state.shown = 'B';
      yield lineOf(0, 4);
    });
    await searches.everything();
    expect([works.get('A')!.objects.length, works.get('B')!.objects.length]).toEqual([1, 0]);
    expect(told).toEqual(['Found 1 object in a.jpg.']);
  });

  it('adds only what is not covered yet, when that is wanted', async () => {
    const { searches, works, told } = studioOf(async function* () {
      yield lineOf(0, 8);
      yield lineOf(20, 4);
    });
    await searches.everything();
    await searches.everything();
    expect(works.get('A')!.objects).toHaveLength(2);
    expect(told[1]).toBe('Added 0 new objects; 2 were there already.');
  });

  it('for words gives what it finds the class that the phrase names', async () => {
    const { searches, works } = studioOf(async function* () {});
    for (const phrase of ['a cup', 'the red cup', 'a spoon']) await searches.text(phrase);
    const found = works.get('A')!.objects.map(({ name, label }) => [name, label]);
    expect(found).toEqual([
      ['a cup', 'Cup'],
      ['the red cup', 'Cup'],
      ['a spoon', 'spoon'],
    ]);
  });
});
