import { describe, expect, it } from 'vitest';
import { boxOf, denseCrop, type Runs, runsOfCrop, scaled, shifted } from './runs.ts';
import { smoothed, withoutHoles, withoutSpecks } from './tidy.ts';

function draw(lines: readonly string[]): Runs {
  const size = { height: lines.length, width: lines[0].length };
  const pixels = Uint8Array.from(lines.join(''), (letter) => Number(letter === '#'));
  return runsOfCrop(pixels, size, 0, 0, size);
}

function shown({ size, edges }: Runs): string[] {
  const pixels = denseCrop({ size, edges }, [0, 0, size.width, size.height]);
  return Array.from({ length: size.height }, (_, y) =>
    [...pixels.subarray(y * size.width, (y + 1) * size.width)].map((on) => (on ? '#' : '.')).join(''),
  );
}

describe('tidying', () => {
  it('fills holes, but not bays nor what the picture cuts', () => {
    const mask = draw(['#####..', '#...#..', '#.#.#..', '#...#.#', '#####.#', '.....##', '##..###']);
    expect(shown(withoutHoles(mask))).toEqual([
      '#####..',
      '#####..',
      '#####..',
      '#####.#',
      '#####.#',
      '.....##',
      '##..###',
    ]);
  });

  it('drops specks and keeps large parts', () => {
    const big = runsOfCrop(new Uint8Array(2500).fill(1), { width: 50, height: 50 }, 0, 0, {
      width: 80,
      height: 60,
    });
    const part = runsOfCrop(new Uint8Array(100).fill(1), { width: 10, height: 10 }, 60, 5, {
      width: 80,
      height: 60,
    });
    const speck = runsOfCrop(new Uint8Array(4).fill(1), { width: 2, height: 2 }, 70, 50, {
      width: 80,
      height: 60,
    });
    const edges = Uint32Array.from([...big.edges, ...part.edges, ...speck.edges]);
    const order = Array.from({ length: edges.length / 2 }, (_, at) => [edges[2 * at], edges[2 * at + 1]]);
    order.sort((a, b) => a[0] - b[0]);
    const kept = withoutSpecks({ size: big.size, edges: Uint32Array.from(order.flat()) });
    expect(boxOf(kept)).toEqual([0, 0, 70, 50]);
  });

  it('smooths a border: a spike goes, a notch is filled, the rest stays', () => {
    const size = { width: 60, height: 40 };
    const pixels = new Uint8Array(size.width * size.height);
    for (let y = 10; y < 30; y++) for (let x = 10; x < 50; x++) pixels[y * size.width + x] = 1;
    for (let y = 2; y < 10; y++) pixels[y * size.width + 30] = 1; // a spike
    for (let y = 10; y < 16; y++) pixels[y * size.width + 20] = 0; // a notch
    const found = denseCrop(smoothed(runsOfCrop(pixels, size, 0, 0, size)), [0, 0, size.width, size.height]);
    const at = (x: number, y: number) => found[y * size.width + x];
    expect([at(30, 4), at(20, 13), at(30, 20), at(12, 15), at(49, 20), at(50, 20)]).toEqual([
      0, 1, 1, 1, 1, 0,
    ]);
  });

  it('at the border of the picture the mask goes on to it', () => {
    const size = { width: 20, height: 20 };
    const mask = runsOfCrop(new Uint8Array(200).fill(1), { width: 10, height: 20 }, 0, 0, size);
    expect(smoothed(mask)).toEqual(mask);
  });

  it('a mask that would vanish stays', () => {
    const mask = draw(['...', '.#.', '...']);
    expect(smoothed(mask)).toBe(mask);
  });
});

describe('copies', () => {
  it('are moved within the picture', () => {
    expect(shown(shifted(draw(['##..', '#...', '....']), 1, 1))).toEqual(['....', '.##.', '.#..']);
    expect(shown(shifted(draw(['##..', '#...', '....']), -1, 0))).toEqual(['#...', '....', '....']);
  });

  it('fit a picture of another size', () => {
    expect(shown(scaled(draw(['##..', '#...']), { width: 8, height: 4 }))).toEqual([
      '####....',
      '####....',
      '##......',
      '##......',
    ]);
    const mask = draw(['#']);
    expect(scaled(mask, mask.size)).toBe(mask);
  });
});
