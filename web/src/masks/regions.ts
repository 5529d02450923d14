// The connected regions of a mask.

import { areaOf, forColumns, RunBuilder, type Runs } from './runs.ts';

/** Returns the 4-connected regions of a mask, the largest first; or the 8-connected ones. */
export function regionsOf(runs: Runs, diagonal = false): Runs[] {
  const reach = diagonal ? 1 : 0;
  const columns: [x: number, top: number, bottom: number][] = [];
  forColumns(runs, (x, top, bottom) => {
    columns.push([x, top, bottom]);
  });
  const owner = columns.map((_, index) => index);
  const find = (index: number): number => {
    let root = index;
    while (owner[root] !== root) root = owner[root] = owner[owner[root]];
    return root;
  };
  let left = 0;
  columns.forEach(([x, top, bottom], index) => {
    while (
      left < index &&
      (columns[left][0] < x - 1 || (columns[left][0] === x - 1 && columns[left][2] + reach <= top))
    )
      left++;
    for (
      let other = left;
      other < index && columns[other][0] === x - 1 && columns[other][1] < bottom + reach;
      other++
    ) {
      if (columns[other][2] + reach > top) owner[find(index)] = find(other);
    }
  });
  const parts = new Map<number, RunBuilder>();
  columns.forEach(([x, top, bottom], index) => {
    const root = find(index);
    const part = parts.get(root) ?? new RunBuilder();
    parts.set(root, part);
    part.push(x * runs.size.height + top, x * runs.size.height + bottom);
  });
  const regions = [...parts.values()].map((part) => part.finish(runs.size));
  return regions.sort((first, second) => areaOf(second) - areaOf(first));
}
