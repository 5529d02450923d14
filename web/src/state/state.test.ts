import { describe, expect, it, vi } from 'vitest';
import { areaOf, type Runs, runsOfCrop } from '../masks/runs.ts';
import { fileName, OfflineError, ServerError } from '../server/client.ts';
import { History } from './history.ts';
import {
  COLOURS,
  fromRecord,
  mergeObjects,
  moveObject,
  newObject,
  nextColour,
  nextName,
  removeObjects,
  splitObject,
  timed,
  toRecord,
  type Work,
} from './objects.ts';
import { Saver, type SaveState } from './saver.ts';

const size = { height: 20, width: 40 };

function square(x: number, y: number, side: number): Runs {
  return runsOfCrop(new Uint8Array(side * side).fill(1), { height: side, width: side }, x, y, size);
}

function work(...masks: Runs[]): Work {
  const objects = masks.map((mask, at) => newObject([], `Object ${at + 1}`, mask, { id: `o${at}` }));
  return { objects, active: null };
}

describe('objects', () => {
  it('take the colour that is used least, and the next number', () => {
    expect(nextColour([])).toBe(COLOURS[0]);
    expect(nextColour(work(square(0, 0, 2)).objects)).toBe(COLOURS[1]);
    expect(nextName(work(square(0, 0, 2)).objects, 'Object')).toBe('Object 2');
  });

  it('merge into the topmost', () => {
    const merged = mergeObjects(
      work(square(0, 0, 4), square(20, 5, 3), square(2, 2, 4)),
      new Set(['o0', 'o2']),
    );
    expect(merged.objects.map(({ id }) => id)).toEqual(['o1', 'o2']);
    expect(areaOf(merged.objects[1].mask)).toBe(16 + 16 - 4);
    expect(merged.active).toBe('o2');
  });

  it('split into their regions, specks stay', () => {
    const both = mergeObjects(work(square(0, 0, 8), square(20, 5, 9)), new Set(['o0', 'o1']));
    const split = splitObject(both, 'o1');
    expect(split.objects.map(({ mask }) => areaOf(mask))).toEqual([81, 64]);
    expect(new Set(split.objects.map(({ colour }) => colour)).size).toBe(2);
    expect(splitObject(split, 'o1')).toBe(split);
  });

  it('move and leave', () => {
    const three = work(square(0, 0, 2), square(5, 5, 2), square(9, 9, 2));
    expect(moveObject(three, 'o0', 1).objects.map(({ id }) => id)).toEqual(['o1', 'o0', 'o2']);
    expect(moveObject(three, 'o2', 1)).toBe(three);
    const left = removeObjects({ ...three, active: 'o1' }, new Set(['o1']));
    expect(left.objects).toHaveLength(2);
    expect(left.active).toBeNull();
  });

  it('take as long as their changes did', () => {
    const before = work(square(0, 0, 2), square(5, 5, 2));
    const [first, second] = before.objects;
    const made = newObject([], 'c', square(9, 9, 2));
    const changed = timed({ ...before, objects: [first, { ...second, label: 'dog' }, made] }, before, 5);
    expect(changed.objects.map(({ seconds }) => seconds)).toEqual([0, 2.5, 2.5]);
    expect(changed.objects[0]).toBe(first);
    const less = removeObjects(changed, new Set(['o0']));
    expect(timed(less, changed, 60)).toBe(less); // what is deleted takes nobody's time
    const joined = mergeObjects(changed, new Set(['o1', made.id]));
    expect(joined.objects[1].seconds).toBe(5);
    const [, whole] = timed({ ...joined, objects: [first, { ...joined.objects[1] }] }, changed, 1e9).objects;
    expect(whole.seconds).toBe(86_400); // more than that the server does not take
    expect(splitObject(joined, made.id).objects.map(({ seconds }) => seconds)).toEqual([0, 5, 0]);
  });

  it('come back from the server as they went', () => {
    const object = newObject([], 'dog', square(3, 3, 5), {
      label: 'animal',
      opacity: 0.3,
      visible: false,
      granularity: 'whole',
      prompts: [{ type: 'point', x: 4, y: 4, positive: true }],
      score: 0.9,
      stability: 0.8,
      seconds: 12.3,
    });
    expect(fromRecord(toRecord(object), [], 'Object')).toEqual(object);
  });
});

describe('history', () => {
  it('goes back and forth, and forgets what was undone', () => {
    const history = new History('a');
    history.push('b');
    history.push('c');
    expect(history.undo()).toBe('b');
    expect(history.redo()).toBe('c');
    history.undo();
    history.push('d');
    expect(history.canRedo).toBe(false);
    expect([history.undo(), history.undo(), history.undo()]).toEqual(['b', 'a', 'a']);
    history.amend('A');
    expect(history.now).toBe('A');
  });
});

describe('saving', () => {
  const settle = async () => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };

  it('sends one at a time and only the newest', async () => {
    const sent: [string, number][] = [];
    let release: () => void = () => undefined;
    const put = (state: string, version: number) => {
      sent.push([state, version]);
      return new Promise<number>((resolve) => {
        release = () => resolve(sent.length);
      });
    };
    const states: SaveState[] = [];
    const saver = new Saver<string>(
      { put, merge: () => Promise.reject(new Error('not asked')) },
      0,
      (state) => states.push(state),
    );
    for (const state of ['a', 'b', 'c']) saver.save(state);
    expect(saver.unsaved).toBe(true);
    release();
    await settle();
    release();
    await settle();
    expect(sent).toEqual([
      ['a', 0],
      ['c', 1],
    ]);
    expect(saver.unsaved).toBe(false);
    expect(states.at(-1)).toBe('saved');
  });

  it('waits for a server that is away, and brings together what two have done', async () => {
    vi.useFakeTimers();
    const answers: (() => Promise<number>)[] = [
      () => Promise.reject(new OfflineError('away')),
      () => Promise.reject(new ServerError(409, 'ConflictError', 'changed')),
      () => Promise.resolve(7),
    ];
    const sent: [string, number][] = [];
    const states: SaveState[] = [];
    const put = (state: string, version: number) => {
      sent.push([state, version]);
      return answers.shift()!();
    };
    const merge = () => Promise.resolve({ state: 'both', version: 6 });
    const saver = new Saver<string>({ put, merge }, 3, (state) => states.push(state));
    saver.save('a');
    await settle();
    expect(states.at(-1)).toBe('waiting');
    expect(saver.unsaved).toBe(true);
    await vi.advanceTimersByTimeAsync(2100);
    expect(sent).toEqual([
      ['a', 3],
      ['a', 3],
      ['both', 6],
    ]);
    expect([states.at(-1), saver.version]).toEqual(['saved', 7]);
    vi.useRealTimers();
  });

  it('tells why when the server refuses', async () => {
    const states: SaveState[] = [];
    const put = () => Promise.reject(new ServerError(412, 'WrongPictureError', 'another picture'));
    const merge = () => Promise.reject(new Error('not asked'));
    const saver = new Saver<string>({ put, merge }, 3, (state) => states.push(state));
    saver.save('a');
    await settle();
    expect(states).toEqual(['saving', 'failed']);
    expect(saver.unsaved).toBe(true);
  });
});

describe('the name of a download', () => {
  it('is read from the header', () => {
    expect(fileName('attachment; filename="dog.json"')).toBe('dog.json');
    expect(fileName("attachment; filename*=UTF-8''%E7%8A%AC.zip")).toBe('犬.zip');
    expect(fileName('inline')).toBeNull();
  });
});
