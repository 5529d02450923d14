import { describe, expect, it } from 'vitest';
import { fitFrame } from '../geometry.ts';
import { goldens, sizeOf } from '../goldens.ts';
import { fromCoco } from './coco.ts';
import { regionsOf } from './regions.ts';
import { tidied } from './specks.ts';

describe.each(goldens.tidy)('tidying a mask of $size', ({ size, mask, points, labels, tidied: expected }) => {
  const given = fromCoco(mask);

  it('drops and fills what Python does', () => {
    expect(regionsOf(given, true).length).toBeGreaterThan(100);
    const found = tidied(given, { points, labels }, fitFrame(sizeOf(size)));
    expect(found).toEqual(fromCoco(expected));
    expect(regionsOf(found, true)).toHaveLength(3); // two blocks, and the speck that was clicked
  });
});
