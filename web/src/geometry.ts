// Coordinates are float pixels (x, y) of the upright picture, from its top-left corner; boxes are [x0, y0, x1, y1].

export interface Size {
  readonly height: number;
  readonly width: number;
}

export type XY = readonly [x: number, y: number];
export type Box4 = readonly [x0: number, y0: number, x1: number, y1: number];

/** How a picture is fitted into the model's square input: the longer side becomes `side`, the rest is padding. */
export interface Frame {
  readonly original: Size;
  readonly resized: Size;
  readonly side: number;
}

export function fitFrame(original: Size, side = 1024): Frame {
  const scale = side / Math.max(original.height, original.width);
  const resized = {
    height: Math.max(1, Math.floor(original.height * scale + 0.5)),
    width: Math.max(1, Math.floor(original.width * scale + 0.5)),
  };
  return { original, resized, side };
}

/** Scale factors [x, y] from the picture to the model's frame: of the rounded sizes, as SAM's code does. */
export function factors(frame: Frame): XY {
  return [frame.resized.width / frame.original.width, frame.resized.height / frame.original.height];
}

export function toModel(frame: Frame, [x, y]: XY): XY {
  const [fx, fy] = factors(frame);
  return [x * fx, y * fy];
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

export function orderedBox([ax, ay]: XY, [bx, by]: XY): Box4 {
  return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
}

export function clipBox(box: Box4, size: Size): Box4 {
  return [
    clamp(box[0], 0, size.width),
    clamp(box[1], 0, size.height),
    clamp(box[2], 0, size.width),
    clamp(box[3], 0, size.height),
  ];
}

export function insidePicture([x, y]: XY, size: Size): boolean {
  return x >= 0 && y >= 0 && x <= size.width && y <= size.height;
}
