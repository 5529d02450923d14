import { describe, expect, it } from 'vitest';
import { remove } from './remove.ts';

const SIDE = 256;

function square(first: number, last: number): Float32Array {
  return Float32Array.from({ length: SIDE * SIDE }, (_, at) => {
    const [x, y] = [at % SIDE, Math.floor(at / SIDE)];
    return x >= first && x < last && y >= first && y < last ? 5 : -5;
  });
}

function less(logits: Float32Array, part: Float32Array): Float32Array {
  return logits.map((value, at) => (part[at] > 0 ? -5 : value));
}

function spot(x: number, y: number): Uint8Array {
  const found = new Uint8Array(SIDE * SIDE);
  found[y * SIDE + x] = 1;
  return found;
}

const shape = (logits: Float32Array) => logits.map((value) => (value > 0 ? 1 : 0));
const never = async (): Promise<Float32Array[]> => {
  throw new Error('the answer was good enough');
};

describe('a negative prompt', () => {
  const old = square(20, 120);
  const nothing = new Uint8Array(SIDE * SIDE);
  const dropped = new Float32Array(SIDE * SIDE).fill(-5);

  it('takes nothing where it lies beside the mask', async () => {
    expect(await remove(old, [dropped], spot(200, 200), nothing, never)).toBeNull();
  });

  it('takes only the part that it points at', async () => {
    const answer = less(less(old, square(20, 40)), square(100, 120));
    const left = await remove(old, [answer], spot(30, 30), nothing, never);
    expect(shape(left!)).toEqual(shape(less(old, square(20, 40))));
  });

  it('does not let the object drop', async () => {
    const second = less(old, square(20, 60));
    const left = await remove(old, [dropped, second], spot(30, 30), nothing, never);
    expect(shape(left!)).toEqual(shape(second));
    const seen = await remove(old, [dropped], spot(30, 30), nothing, async () => [square(20, 50)]);
    expect(shape(seen!)).toEqual(shape(less(old, square(20, 50))));
  });

  it('takes what lies near where all answers pass over it', async () => {
    const left = await remove(old, [old], spot(70, 70), nothing, never);
    const gone = shape(left!).reduce((sum, value, at) => sum + (old[at] > 0 && value === 0 ? 1 : 0), 0);
    expect(left![70 * SIDE + 70]).toBeLessThan(0);
    expect(gone / 10_000).toBeGreaterThan(0.1);
    expect(gone / 10_000).toBeLessThan(0.3);
  });

  it('takes what it outlines as it was drawn', async () => {
    const outline = Uint8Array.from(square(20, 110), (value) => (value > 0 ? 1 : 0));
    const left = await remove(old, [old], outline, outline, never);
    expect(shape(left!)).toEqual(shape(less(old, square(20, 110))));
  });
});
