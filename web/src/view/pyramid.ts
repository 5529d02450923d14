// A picture in halves of itself, so that drawing a large one small is quick and smooth.

import type { Size } from '../geometry.ts';
import type { Camera } from './camera.ts';

const SMALLEST = 700;

export class Pyramid {
  private constructor(
    readonly size: Size,
    private readonly levels: ImageBitmap[],
  ) {}

  static async of(file: Blob): Promise<Pyramid> {
    const full = await createImageBitmap(file, { imageOrientation: 'from-image' });
    const pyramid = new Pyramid({ width: full.width, height: full.height }, [full]);
    await pyramid.addLevels();
    return pyramid;
  }

  private async addLevels(): Promise<void> {
    let last = this.levels[0];
    while (Math.max(last.width, last.height) > 2 * SMALLEST) {
      last = await createImageBitmap(last, {
        resizeWidth: Math.ceil(last.width / 2),
        resizeHeight: Math.ceil(last.height / 2),
        resizeQuality: 'medium',
      });
      this.levels.push(last);
    }
  }

  private closed = false;

  draw(context: CanvasRenderingContext2D, camera: Camera, ratio: number): void {
    if (this.closed) return; // the next picture is on its way
    const scale = camera.scale * ratio;
    const wanted = Math.floor(Math.log2(1 / scale) + 0.25);
    const level = this.levels[Math.min(this.levels.length - 1, Math.max(0, wanted))];
    context.imageSmoothingEnabled = scale < 4;
    context.drawImage(
      level,
      Math.round(camera.x * ratio),
      Math.round(camera.y * ratio),
      Math.round(this.size.width * scale),
      Math.round(this.size.height * scale),
    );
  }

  close(): void {
    this.closed = true;
    for (const level of this.levels) level.close();
  }
}
