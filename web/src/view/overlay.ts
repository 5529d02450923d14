// The objects' masks, painted once per change and view, and moved as a whole while the user pans.

import type { Size } from '../geometry.ts';
import { type Rings, ringsOfRuns, simplifyRing } from '../masks/outline.ts';
import type { Runs } from '../masks/runs.ts';
import type { StudioObject } from '../state/objects.ts';
import type { Camera } from './camera.ts';

/** Part of the view's width and height that is painted beyond each border, ready to be panned in. */
const MARGIN = 0.5;

const outlines = new WeakMap<Runs, Rings>();
const paths = new WeakMap<Runs, { scale: number; path: Path2D }>();

/** Hands over an outline that the worker traced already. */
export function rememberOutline(mask: Runs, rings: Rings): void {
  outlines.set(mask, rings);
}

export function pathOfRings(rings: Rings): Path2D {
  const path = new Path2D();
  for (const ring of rings) {
    path.moveTo(ring[0], ring[1]);
    for (let at = 2; at < ring.length; at += 2) path.lineTo(ring[at], ring[at + 1]);
    path.closePath();
  }
  return path;
}

/** The outline of a mask in picture coordinates. */
export function outlineOf(mask: Runs): Rings {
  const rings = outlines.get(mask) ?? ringsOfRuns(mask);
  outlines.set(mask, rings);
  return rings;
}

/** The same as a path, simplified by what the screen cannot show. */
export function pathOf(mask: Runs, scale: number): Path2D {
  const step = scale >= 2 ? 2 : 2 ** Math.floor(Math.log2(scale));
  const known = paths.get(mask);
  if (known?.scale === step) return known.path;
  const tolerance = step >= 2 ? 0 : 0.6 / step;
  const path = pathOfRings(outlineOf(mask).map((ring) => simplifyRing(ring, tolerance)));
  paths.set(mask, { scale: step, path });
  return path;
}

export interface OverlayState {
  readonly objects: readonly StudioObject[];
  readonly active: string | null;
  readonly selected: ReadonlySet<string>;
  readonly pointed: string | null;
}

export class Overlay {
  private readonly canvas = document.createElement('canvas');
  private readonly context = this.canvas.getContext('2d')!;
  private painted: { camera: Camera; view: Size; ratio: number; state: OverlayState } | null = null;

  /** Draws the masks; returns false when they should be painted anew once the view rests. */
  draw(
    target: CanvasRenderingContext2D,
    camera: Camera,
    view: Size,
    ratio: number,
    state: OverlayState,
    moving: boolean,
  ): boolean {
    if (!state.objects.some(({ visible }) => visible)) return true;
    const fresh =
      this.painted?.state === state && this.painted.ratio === ratio && sameSize(this.painted.view, view);
    if (!fresh || (!moving && !this.covers(camera, view))) this.paint(camera, view, ratio, state);
    const from = this.painted!.camera;
    const zoom = camera.scale / from.scale;
    const [mx, my] = [MARGIN * view.width, MARGIN * view.height];
    const x = camera.x - (from.x + mx) * zoom;
    const y = camera.y - (from.y + my) * zoom;
    target.imageSmoothingEnabled = zoom !== 1;
    if (zoom === 1) target.drawImage(this.canvas, Math.round(x * ratio), Math.round(y * ratio));
    else
      target.drawImage(
        this.canvas,
        x * ratio,
        y * ratio,
        this.canvas.width * zoom,
        this.canvas.height * zoom,
      );
    return this.covers(camera, view);
  }

  private covers(camera: Camera, view: Size): boolean {
    const from = this.painted!.camera;
    return (
      camera.scale === from.scale &&
      Math.abs(camera.x - from.x) <= MARGIN * view.width &&
      Math.abs(camera.y - from.y) <= MARGIN * view.height
    );
  }

  private paint(camera: Camera, view: Size, ratio: number, state: OverlayState): void {
    this.painted = { camera, view, ratio, state };
    const { canvas, context } = this;
    const width = Math.round((1 + 2 * MARGIN) * view.width * ratio);
    const height = Math.round((1 + 2 * MARGIN) * view.height * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    } else {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, width, height);
    }
    const scale = camera.scale * ratio;
    // biome-ignore format: a matrix
    context.setTransform(
      scale, 0, 0, scale,
      (camera.x + MARGIN * view.width) * ratio, (camera.y + MARGIN * view.height) * ratio,
    );
    for (const object of state.objects) if (object.visible) this.paintObject(object, scale, ratio, state);
  }

  private paintObject(object: StudioObject, scale: number, ratio: number, state: OverlayState): void {
    const { context } = this;
    const path = pathOf(object.mask, scale);
    const pointed = state.pointed === object.id;
    context.fillStyle = object.colour;
    const { suggested } = object;
    const opacity = suggested ? 0.35 * object.opacity : object.opacity;
    context.globalAlpha = pointed ? Math.min(1, opacity + 0.2) : opacity;
    context.fill(path, 'evenodd');
    context.lineJoin = 'round';
    const chosen = object.id === state.active || state.selected.has(object.id);
    context.globalAlpha = 1;
    if (chosen || pointed) {
      context.strokeStyle = 'rgb(255 255 255 / 0.95)';
      context.lineWidth = (4 * ratio) / scale;
      context.stroke(path);
    }
    context.globalAlpha = Math.min(1, object.opacity * 2);
    context.strokeStyle = object.colour;
    context.lineWidth = ((chosen || suggested ? 2 : 1.4) * ratio) / scale;
    if (suggested) context.setLineDash([(6 * ratio) / scale, (5 * ratio) / scale]);
    context.stroke(path);
    context.setLineDash([]);
    context.globalAlpha = 1;
  }
}

function sameSize(first: Size, second: Size): boolean {
  return first.width === second.width && first.height === second.height;
}
