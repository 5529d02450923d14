import { describe, expect, it } from 'vitest';
import { fitCamera, panBy, toPicture, toScreen, zoomAt } from './camera.ts';

const picture = { width: 4000, height: 3000 };
const view = { width: 900, height: 700 };

describe('the camera', () => {
  it('shows the whole picture', () => {
    const camera = fitCamera(picture, view);
    const [x0, y0] = toScreen(camera, [0, 0]);
    const [x1, y1] = toScreen(camera, [4000, 3000]);
    expect(Math.min(x0, y0)).toBeGreaterThanOrEqual(0);
    expect(x1).toBeLessThanOrEqual(900);
    expect(y1).toBeLessThanOrEqual(700);
  });

  it('zooms about the pointer', () => {
    const camera = fitCamera(picture, view);
    const before = toPicture(camera, [450, 400]);
    const after = toPicture(zoomAt(camera, [450, 400], 3, picture, view), [450, 400]);
    expect(after[0]).toBeCloseTo(before[0], 6);
    expect(after[1]).toBeCloseTo(before[1], 6);
  });

  it('never loses the picture', () => {
    const far = panBy(fitCamera(picture, view), 1e6, -1e6, picture, view);
    const [x] = toScreen(far, [0, 0]);
    const [, y] = toScreen(far, [0, 3000]);
    expect(x).toBeLessThan(view.width);
    expect(y).toBeGreaterThan(0);
  });
});
