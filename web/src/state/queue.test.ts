import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ImageBody } from '../server/openapi.ts';
import type { Studio } from './studio.svelte.ts';

vi.mock('../words/words.svelte.ts', async () => {
  const [{ en }, { filled }] = await Promise.all([import('../words/en.ts'), import('../words/filled.ts')]);
  return { t: (word: keyof typeof en, values = {}) => filled(en[word], values, 'en') };
});

beforeAll(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  });
});

function image(id: string, change: Partial<ImageBody> = {}): ImageBody {
  return { id, state: 'todo', suggested: 0, least: null, ...change } as ImageBody;
}

async function reviewsOf(images: readonly ImageBody[], current: string) {
  const { Reviews } = await import('./reviews.svelte.ts');
  const opened: string[] = [];
  const told: string[] = [];
  const studio = {
    pictures: {
      images,
      current,
      marked: new Set(['b']),
      open: async (id: string) => opened.push(id),
      update(id: string, change: Partial<ImageBody>) {
        this.images = this.images.map((one) => (one.id === id ? { ...one, ...change } : one));
      },
    },
    changes: { picture: current },
    notices: { show: (text: string) => told.push(text), say: () => undefined },
    server: {
      annotator: '',
      putReview: async (_: string, review: object) => ({ annotator: 'Mia', ...review }),
    },
    complain: (error: unknown) => told.push(String(error)),
  };
  return { reviews: new Reviews(studio as unknown as Studio), studio, opened, told };
}

describe('the queue', () => {
  it('goes to the next unfinished picture, around the end, and says when there is none', async () => {
    const images = [
      image('a'),
      image('b', { state: 'done' }),
      image('c', { state: 'rejected' }),
      image('d', { state: 'accepted' }),
    ];
    const { reviews, studio, opened, told } = await reviewsOf(images, 'a');
    reviews.next();
    studio.pictures.current = 'c';
    reviews.next();
    expect(opened).toEqual(['c', 'a']); // what was rejected is to be done again
    expect(reviews.finished).toBe(2);
    studio.pictures.images = images.slice(1, 2);
    reviews.next();
    expect(told).toEqual(['All pictures that are shown are finished.']);
  });

  it('finishing says so and goes on; the picture on show stays in a filtered strip', async () => {
    const { reviews, studio, opened } = await reviewsOf(
      [image('a'), image('b'), image('c', { state: 'done' })],
      'a',
    );
    await reviews.finish();
    expect(studio.pictures.images[0].state).toBe('done');
    expect(opened).toEqual(['b']);
    reviews.filter = 'todo';
    expect(reviews.strip.map(({ id }) => id)).toEqual(['a', 'b']);
    reviews.filter = 'marked';
    expect(reviews.strip.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('sorts the least sure first, and what has no suggestions last', async () => {
    const images = [
      image('a'),
      image('b', { suggested: 1, least: 0.9 }),
      image('c', { suggested: 2, least: 0.2 }),
    ];
    const { reviews } = await reviewsOf(images, 'a');
    reviews.filter = 'suggested';
    expect(reviews.strip.map(({ id }) => id)).toEqual(['c', 'b', 'a']); // a is on show
  });

  it('keeps the name of who works, for the server', async () => {
    const { reviews, studio } = await reviewsOf([], 'a');
    reviews.call('  Mia 美 ');
    expect(studio.server.annotator).toBe('Mia 美');
    const again = await reviewsOf([], 'a');
    expect(again.reviews.annotator).toBe('Mia 美');
  });
});

describe('words for all pictures', () => {
  it('are read a line each, with a class where one is given', async () => {
    const { wordsOf } = await import('./label_runs.svelte.ts');
    expect(wordsOf('a white cat = cat\n\n  cup \n犬＝dog\n= nothing')).toEqual([
      { phrase: 'a white cat', label: 'cat' },
      { phrase: 'cup', label: null },
      { phrase: '犬', label: 'dog' },
    ]);
  });
});

describe('suggestions', () => {
  async function suggestionsOf(scores: readonly (number | null)[]) {
    const { Suggestions } = await import('./suggestions.svelte.ts');
    const objects = {
      all: scores.map((score, at) => ({ id: String(at), suggested: score !== null, score })),
      active: null as { id: string; suggested: boolean } | null,
      activate(id: string | null) {
        this.active = this.all.find((one) => one.id === id) ?? null;
      },
      changeAll(change: (one: { id: string; suggested: boolean }) => { suggested: boolean } | null) {
        this.all = this.all.map((one) => ({ ...one, ...(change(one) ?? {}) }));
      },
      remove(ids: readonly string[]) {
        this.all = this.all.filter(({ id }) => !ids.includes(id));
      },
    };
    const studio = { objects, notices: { say: () => undefined } };
    return { suggestions: new Suggestions(studio as unknown as Studio), objects };
  }

  it('come one after another, the most uncertain first; accepting goes to the next', async () => {
    const { suggestions, objects } = await suggestionsOf([0.9, null, 0.3, 0.6]);
    suggestions.next();
    expect(objects.active?.id).toBe('2');
    expect(suggestions.acceptActive()).toBe(true);
    expect([objects.active?.id, suggestions.list.map(({ id }) => id)]).toEqual(['3', ['3', '0']]);
    suggestions.next();
    suggestions.next();
    expect(objects.active?.id).toBe('3');
    suggestions.acceptActive();
    suggestions.acceptActive();
    expect([objects.active, suggestions.acceptActive()]).toEqual([null, false]);
  });

  it('are accepted and rejected by their scores; objects stay', async () => {
    const { suggestions, objects } = await suggestionsOf([0.9, null, 0.3, 0.8]);
    suggestions.rejectUnsure();
    expect(objects.all.map(({ id }) => id)).toEqual(['0', '1', '3']);
    suggestions.acceptSure();
    expect(suggestions.list).toEqual([]);
  });
});
