import { describe, expect, it } from 'vitest';
import { runsOfCrop } from '../masks/runs.ts';
import { History } from './history.ts';
import { mergeWork } from './merge.ts';
import { newObject, type StudioObject, type Work } from './objects.ts';

const size = { height: 20, width: 40 };

function object(id: string, x = 0): StudioObject {
  const mask = runsOfCrop(new Uint8Array(16).fill(1), { height: 4, width: 4 }, x, 0, size);
  return newObject([], id, mask, { id, colour: '#000000' });
}

const named = (item: StudioObject, name: string): StudioObject => ({ ...item, name });
const work = (...objects: StudioObject[]): Work => ({ objects, active: null });
const namesOf = ({ objects }: Work): string[] => objects.map(({ name }) => name);

describe('two people on one picture', () => {
  const [a, b, c] = [object('a'), object('b', 8), object('c', 16)];

  it('keep what each of them has done', () => {
    const mine = work(a, named(b, 'mine'), object('new here', 20));
    const theirs = [named(a, 'theirs'), b, c, object('new there', 24)];
    const { work: both, clashes } = mergeWork([a, b, c], mine, theirs);
    expect(namesOf(both)).toEqual(['theirs', 'mine', 'new here', 'new there']);
    expect(clashes).toEqual([]);
  });

  it('keep mine of an object that both have changed, and say so', () => {
    const { work: both, clashes } = mergeWork([a], work(named(a, 'mine')), [named(a, 'theirs')]);
    expect(namesOf(both)).toEqual(['mine']);
    expect(clashes.map(({ name }) => name)).toEqual(['mine']);
    expect(mergeWork([a], work(named(a, 'same')), [named(a, 'same')]).clashes).toEqual([]);
  });

  it('let a change win over a deletion, and delete what only one of them touched', () => {
    expect(namesOf(mergeWork([a, b], work(b), [named(a, 'theirs'), b]).work)).toEqual(['b', 'theirs']);
    expect(namesOf(mergeWork([a, b], work(named(a, 'mine'), b), [b]).work)).toEqual(['mine', 'b']);
    expect(namesOf(mergeWork([a, b], work(a, b), [a]).work)).toEqual(['a']);
  });

  it('take a new order from who has made one', () => {
    expect(namesOf(mergeWork([a, b], work(a, b), [b, a]).work)).toEqual(['b', 'a']);
    expect(namesOf(mergeWork([a, b, c], work(c, b, a), [a, b, c]).work)).toEqual(['c', 'b', 'a']);
  });

  it('undo only what they did themselves', () => {
    const history = new History(work());
    history.push(work(a));
    history.push(work(a, b));
    const base = history.now.objects;
    history.rebase((state) => mergeWork(base, state, [named(a, 'theirs'), b, c]).work);
    expect(namesOf(history.now)).toEqual(['theirs', 'b', 'c']);
    expect(namesOf(history.undo())).toEqual(['theirs', 'c']);
  });
});
