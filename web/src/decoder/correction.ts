// Which mask answers a correcting click, exactly as models/companions/correction.py.

import { outputsOf, type Perceptron } from './perceptron.ts';

/** The single-mask output, the same without what goes against the click, and the mask so far. */
export const [DRAWN, FOLLOWED, BEFORE] = [0, 4, 5];
const CANDIDATES = 6;
/** Another candidate answers only if it is worth more than the usual one by this. */
const MARGIN = 0.02;

/** What the mask so far pays for staying. */
const STAYING = 0.03;

/** Six masks on a grid that just covers the picture. */
export interface Six {
  readonly rows: number;
  readonly columns: number;
  /** Each of rows · columns. */
  readonly logits: readonly Float32Array[];
  readonly scores: readonly number[];
}

/** A click in cells of the grid. */
export interface GridClick {
  readonly x: number;
  readonly y: number;
  readonly positive: boolean;
}

/** Index of the candidate that answers best; `usual` does unless another is clearly better. */
export function likeliest(
  network: Perceptron,
  six: Six,
  clicks: readonly GridClick[],
  earlier: number,
  usual: number,
): number {
  const worth = features(six, clicks, earlier).map((row) => 1 / (1 + Math.exp(-outputsOf(network, row)[0])));
  worth[BEFORE] = stays(six, clicks.slice(0, -1)) ? worth[BEFORE] - STAYING : 0;
  const best = worth.indexOf(Math.max(...worth));
  return worth[best] > worth[usual] + MARGIN ? best : usual;
}

export function features(six: Six, clicks: readonly GridClick[], earlier: number): number[][] {
  const { rows, columns, logits, scores } = six;
  const { both, looks } = measure(six);
  const areas = both.map((row, at) => row[at]);
  const overlap = both.map((row, a) =>
    row.map((value, b) => value / Math.max(1, areas[a] + areas[b] - value)),
  );
  const before = Math.max(1, areas[BEFORE]);
  const newest = clicks[clicks.length - 1].positive;
  const obeyed = logits.map((mask) => clicks.map((click) => obeys(mask, click, rows, columns)));
  const shareOf = (row: readonly boolean[], sign: boolean): number =>
    mean(row.filter((_, at) => clicks[at].positive === sign));
  const share = Math.log(before / (rows * columns)) / 5;
  const signs = clicks.filter(({ positive }) => positive).length / clicks.length;
  const known = [earlier / 8, Number(newest), signs, share, scores[BEFORE], scores[DRAWN]];
  return looks.map(({ stability, certainty, tall, wide }, at) => {
    const [added, removed] = [areas[at] - both[at][BEFORE], areas[BEFORE] - both[at][BEFORE]];
    const [right, wrong] = newest ? [added, removed] : [removed, added];
    return [
      scores[at],
      stability,
      certainty,
      Math.log(Math.max(1, areas[at]) / (rows * columns)) / 5,
      overlap[at][BEFORE],
      Math.log1p(right / before),
      Math.log1p(wrong / before),
      Number(obeyed[at][clicks.length - 1]),
      shareOf(obeyed[at], true),
      shareOf(obeyed[at], false),
      Math.min(2, areas[at] / before),
      overlap[at][DRAWN],
      Math.max(...[1, 2, 3].filter((other) => other !== at).map((other) => overlap[at][other])),
      scores[at] - scores[BEFORE],
      tall / rows,
      wide / columns,
      ...known,
      ...Array.from({ length: CANDIDATES }, (_, which) => Number(which === at)),
    ];
  });
}

/** Whether the mask so far obeys all clicks before the newest: if not, it stayed already, and a dialogue must go on. */
function stays({ rows, columns, logits }: Six, clicks: readonly GridClick[]): boolean {
  return clicks.every((click) => obeys(logits[BEFORE], click, rows, columns));
}

function obeys(mask: Float32Array, { x, y, positive }: GridClick, rows: number, columns: number): boolean {
  return mask[clamp(Math.trunc(y), rows) * columns + clamp(Math.trunc(x), columns)] > 0 === positive;
}

interface Look {
  stability: number;
  certainty: number;
  tall: number;
  wide: number;
}

/** What every two masks share, and how each looks. */
function measure({ rows, columns, logits }: Six): { both: number[][]; looks: Look[] } {
  const both = logits.map(() => Array<number>(CANDIDATES).fill(0));
  const sums = logits.map(() => ({ strict: 0, loose: 0, sum: 0, box: [columns, -1, rows, -1] }));
  for (let y = 0, at = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, at++) {
      for (let a = 0; a < CANDIDATES; a++) {
        const value = logits[a][at];
        if (value > -1) sums[a].loose++;
        if (value > 1) sums[a].strict++;
        if (!(value > 0)) continue;
        sums[a].sum += value;
        const { box } = sums[a];
        if (x < box[0]) box[0] = x;
        if (x > box[1]) box[1] = x;
        if (y < box[2]) box[2] = y;
        if (y > box[3]) box[3] = y;
        for (let b = 0; b <= a; b++) if (logits[b][at] > 0) both[a][b]++;
      }
    }
  }
  for (let a = 0; a < CANDIDATES; a++) for (let b = 0; b < a; b++) both[b][a] = both[a][b];
  const looks = sums.map(({ strict, loose, sum, box }, at) => ({
    stability: strict / Math.max(1, loose),
    certainty: sum / Math.max(1, both[at][at]) / 10,
    tall: Math.max(0, box[3] - box[2]),
    wide: Math.max(0, box[1] - box[0]),
  }));
  return { both, looks };
}

function mean(values: readonly boolean[]): number {
  return values.length ? values.filter(Boolean).length / values.length : 1;
}

function clamp(at: number, length: number): number {
  return Math.min(length - 1, Math.max(0, at));
}
