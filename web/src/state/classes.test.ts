import { beforeEach, describe, expect, it, vi } from 'vitest';
import { runsOfCrop } from '../masks/runs.ts';
import { OfflineError } from '../server/client.ts';
import type { Classes as ClassesType } from './classes.svelte.ts';
import { newObject, toRecord, type Work } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

vi.mock('../words/words.svelte.ts', async () => {
  const [{ en }, { filled }] = await Promise.all([import('../words/en.ts'), import('../words/filled.ts')]);
  return { t: (word: keyof typeof en, values = {}) => filled(en[word], values, 'en') };
});

const kept = new Map<string, string>();
vi.stubGlobal('localStorage', {
  getItem: (key: string) => kept.get(key) ?? null,
  setItem: (key: string, value: string) => kept.set(key, value),
  removeItem: (key: string) => kept.delete(key),
});
const { Classes } = await import('./classes.svelte.ts');

const mask = runsOfCrop(new Uint8Array(4).fill(1), { height: 2, width: 2 }, 0, 0, { height: 9, width: 9 });

function workOf(...labels: (string | null)[]): Work {
  const objects = labels.map((label, place) => newObject([], `o${place}`, mask, { id: `o${place}`, label }));
  return { objects, active: null };
}

/** A studio with the picture A on show, B opened before, and C that only the server has. */
function studioOf(answer: string | null = null) {
  const works = new Map<string, Work>([
    ['A', workOf('cat', null, 'dog')],
    ['B', workOf('cat')],
  ]);
  const there = new Map([
    ['C', workOf('dog', 'cat')],
    ['D', workOf('dog')],
  ]);
  const list = { stored: [] as { name: string; colour: string }[] };
  const state = { chosen: [] as string[], coming: new Map<string, () => void>(), away: false, steps: 0 };
  const reached = <T>(value: T): Promise<T> =>
    state.away ? Promise.reject(new OfflineError('away')) : Promise.resolve(value);
  const said: string[] = [];
  const back: (() => void)[] = [];
  const notices: { text: string; actions: readonly { run: () => void }[] }[] = [];
  const studio = {
    changes: {
      picture: 'A',
      workOf: (picture: string) => works.get(picture) ?? null,
      edit: (picture: string, change: (work: Work) => Work) => {
        const before = works.get(picture)!;
        works.set(picture, change(before));
        if (works.get(picture) !== before) state.steps += 1;
      },
      rewrite: async (picture: string, change: (work: Work) => Work) =>
        void works.set(picture, change(works.get(picture) ?? there.get(picture)!)),
    },
    objects: {
      get all() {
        return works.get('A')!.objects;
      },
      get chosenIds() {
        return state.chosen;
      },
    },
    dialogue: {
      awaits: (_: string, id: string) => state.coming.has(id),
      after: (_: string, id: string, act: () => void) => void state.coming.set(id, act),
    },
    pictures: { images: ['A', 'B', 'C', 'D'].map((id) => ({ id, objects: 2, suggested: 0 })) },
    server: {
      classes: () => reached(list.stored),
      putClasses: (classes: typeof list.stored) => {
        list.stored = classes;
        return reached(undefined);
      },
      objects: (id: string) => reached({ objects: there.get(id)!.objects.map(toRecord) }),
    },
    connection: { returned: () => new Promise<void>((resolve) => back.push(resolve)) },
    live: { tellClasses: () => undefined },
    questions: { ask: async () => answer },
    notices: {
      say: (text: string) => said.push(text),
      show: (text: string, _ = false, actions = []) => notices.push({ text, actions }),
    },
    complain: (error: unknown) => said.push(String(error)),
  };
  const classes: ClassesType = new Classes(studio as unknown as Studio);
  list.stored = ['cat', 'dog', 'Bird'].map((name, at) => ({ name, colour: `#00000${at}` }));
  classes.take(list.stored);
  const labels = (picture: string) => works.get(picture)?.objects.map(({ label }) => label);
  return { classes, works, state, list, said, notices, labels, back };
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

describe('classes', () => {
  beforeEach(() => kept.clear());

  it('are chosen by their number for what comes; once more means none', () => {
    const { classes, said, notices } = studioOf();
    classes.chooseAt(2);
    expect(classes.active).toBe('dog');
    expect(classes.dress(classes.active)).toEqual({ label: 'dog', colour: '#000001' });
    classes.chooseAt(1);
    expect(classes.active).toBe('cat');
    classes.chooseAt(1);
    expect(classes.active).toBeNull();
    expect(classes.dress(classes.active)).toEqual({});
    expect(said.at(-1)).toBe('New objects get no class.');
    classes.chooseAt(7);
    expect(notices[0].text).toMatch(/no class 7/);
  });

  it('outlive a reload, and are none when they left the list', () => {
    studioOf().classes.choose('dog');
    const { classes } = studioOf();
    expect(classes.active).toBe('dog');
    classes.take([{ name: 'cat' }]);
    expect(classes.active).toBeNull();
  });

  it('are given to the selected objects in one step, to those to come in their turn', () => {
    const { classes, state, labels, works } = studioOf();
    state.chosen = ['o0', 'o1', 'o2'];
    state.coming.set('o1', () => undefined);
    classes.choose('dog');
    expect(labels('A')).toEqual(['dog', null, 'dog']);
    expect(state.steps).toBe(1);
    state.coming.get('o1')!();
    expect(labels('A')).toEqual(['dog', 'dog', 'dog']);
    expect(works.get('A')!.objects[1].colour).toBe('#000001');
    state.coming.clear();
    classes.choose('dog');
    expect([classes.active, state.steps]).toEqual(['dog', 2]);
    classes.give(['o0'], null);
    expect(labels('A')).toEqual([null, 'dog', 'dog']);
  });

  it('are found whatever their capital letters', () => {
    const { classes } = studioOf();
    expect(['bird', 'Cat', 'wolf'].map((name) => classes.called(name))).toEqual(['Bird', 'cat', 'wolf']);
  });

  it('are renamed in every picture, and back', async () => {
    const { classes, works, list, labels, notices } = studioOf();
    classes.choose('cat');
    await classes.rename('cat', 'puss');
    await settle();
    expect([labels('A'), labels('B'), labels('C')]).toEqual([
      ['puss', null, 'dog'],
      ['puss'],
      ['dog', 'puss'],
    ]);
    expect(works.has('D')).toBe(false);
    expect(list.stored.map(({ name }) => name)).toEqual(['puss', 'dog', 'Bird']);
    expect(classes.active).toBe('puss');
    notices[0].actions[0].run();
    await settle();
    expect([labels('C'), list.stored[0].name]).toEqual([['dog', 'cat'], 'cat']);
  });

  it('are joined only after a question', async () => {
    const refused = studioOf(null);
    await refused.classes.rename('cat', 'dog');
    expect(refused.labels('A')).toEqual(['cat', null, 'dog']);
    const { classes, works, list, labels } = studioOf('join');
    await classes.rename('cat', 'dog');
    await settle();
    expect(labels('A')).toEqual(['dog', null, 'dog']);
    expect(works.get('A')!.objects[0].colour).toBe('#000001');
    expect(list.stored.map(({ name }) => name)).toEqual(['dog', 'Bird']);
  });

  it('are not half renamed when the server is away', async () => {
    const { classes, state, labels } = studioOf();
    state.away = true;
    await classes.rename('cat', 'puss');
    expect([labels('A'), classes.all[0].name]).toEqual([['cat', null, 'dog'], 'cat']);
  });

  it('that are added while the server is away are sent when it is back', async () => {
    const { classes, state, list, back } = studioOf();
    state.away = true;
    const colour = classes.colourOf('wolf');
    await settle();
    expect(list.stored).toHaveLength(3);
    state.away = false;
    back[0]();
    await settle();
    expect(list.stored[3]).toEqual({ name: 'wolf', colour });
  });
});

describe('the search among classes', () => {
  it('finds a part of a name, and what begins with it first', async () => {
    const { matching } = await import('./classes.svelte.ts');
    const classes = ['fire truck', 'Truck', 'tree', '犬'].map((name) => ({ name, colour: '#000000' }));
    expect(matching(classes, ' tRu').map(({ name }) => name)).toEqual(['Truck', 'fire truck']);
    expect(matching(classes, '')).toHaveLength(4);
    expect(matching(classes, '犬').map(({ name }) => name)).toEqual(['犬']);
    expect(matching(classes, 'cat')).toEqual([]);
  });
});
