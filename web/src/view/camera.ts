// Where the picture lies on the screen: screen = picture · scale + offset, in CSS pixels.

import { clamp, type Size, type XY } from '../geometry.ts';

export interface Camera {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

const LARGEST = 32;

/** Room around a picture that is shown whole; the tool's options float at the top. */
export const ROOM = { side: 20, top: 84, bottom: 20 };
/** Where there is little room, the options have a place of their own. */
export const LITTLE_ROOM = { side: 12, top: 12, bottom: 12 };

export function fitCamera(picture: Size, view: Size, room = ROOM): Camera {
  const width = Math.max(1, view.width - 2 * room.side);
  const height = Math.max(1, view.height - room.top - room.bottom);
  const scale = Math.min(width / picture.width, height / picture.height, LARGEST);
  return {
    scale,
    x: (view.width - picture.width * scale) / 2,
    y: room.top + (height - picture.height * scale) / 2,
  };
}

export function toPicture(camera: Camera, [x, y]: XY): XY {
  return [(x - camera.x) / camera.scale, (y - camera.y) / camera.scale];
}

export function toScreen(camera: Camera, [x, y]: XY): XY {
  return [x * camera.scale + camera.x, y * camera.scale + camera.y];
}

/** Zooms so that what lies under `at` stays there. */
export function zoomAt(camera: Camera, at: XY, factor: number, picture: Size, view: Size): Camera {
  const least = Math.min(1, fitCamera(picture, view).scale) / 4;
  const scale = clamp(camera.scale * factor, least, LARGEST);
  const [px, py] = toPicture(camera, at);
  return keepInView({ scale, x: at[0] - px * scale, y: at[1] - py * scale }, picture, view);
}

export function panBy(camera: Camera, dx: number, dy: number, picture: Size, view: Size): Camera {
  return keepInView({ ...camera, x: camera.x + dx, y: camera.y + dy }, picture, view);
}

/** A part of the picture always stays in sight. */
function keepInView(camera: Camera, picture: Size, view: Size): Camera {
  const slack = (extent: number, side: number): number => Math.min(extent * camera.scale, side) / 4;
  const [sx, sy] = [slack(picture.width, view.width), slack(picture.height, view.height)];
  return {
    scale: camera.scale,
    x: clamp(camera.x, sx - picture.width * camera.scale, view.width - sx),
    y: clamp(camera.y, sy - picture.height * camera.scale, view.height - sy),
  };
}
