// COCO's compressed run lengths: pycocotools' string, letter for letter.

import type { Segmentation } from '../server/openapi.ts';
import { RunBuilder, type Runs } from './runs.ts';

export function toCoco({ size, edges }: Runs): Segmentation {
  const counts: number[] = [];
  let place = 0;
  for (const edge of edges) {
    counts.push(edge - place);
    place = edge;
  }
  const rest = size.height * size.width - place;
  if (rest > 0 || counts.length === 0) counts.push(rest);
  return { size: [size.height, size.width], counts: writeCounts(counts) };
}

export function fromCoco({ size, counts }: Segmentation): Runs {
  const [height, width] = size;
  const out = new RunBuilder();
  let place = 0;
  let filled = false;
  for (const count of typeof counts === 'string' ? readCounts(counts) : counts) {
    if (filled) out.push(place, place + count);
    place += count;
    filled = !filled;
  }
  if (place !== height * width)
    throw new Error(`Run lengths of ${place} pixels do not fill ${width} × ${height}.`);
  return out.finish({ height, width });
}

function writeCounts(counts: readonly number[]): string {
  const letters: string[] = [];
  counts.forEach((count, index) => {
    // From the fourth on, each is written as the difference to the last but one.
    let value = index > 2 ? count - counts[index - 2] : count;
    for (let more = true; more; ) {
      let bits = value & 0x1f;
      value >>= 5;
      more = bits & 0x10 ? value !== -1 : value !== 0;
      if (more) bits |= 0x20;
      letters.push(String.fromCharCode(bits + 48));
    }
  });
  return letters.join('');
}

function readCounts(text: string): number[] {
  const counts: number[] = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let shift = 0;
    for (let more = true; more; shift += 5) {
      const bits = text.charCodeAt(at++) - 48;
      if (!(bits >= 0 && bits < 64)) throw new Error('This is not a COCO run-length string.');
      value |= (bits & 0x1f) << shift;
      more = (bits & 0x20) !== 0;
      if (!more && bits & 0x10) value |= shift + 5 < 32 ? -1 << (shift + 5) : 0;
    }
    if (counts.length > 2) value += counts[counts.length - 2];
    counts.push(value);
  }
  return counts;
}
