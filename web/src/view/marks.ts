// Marks of prompts: green belongs to the object, red does not; a plus or a minus says it without colour, too.

import type { XY } from '../geometry.ts';
import type { Handle } from '../prompts/handles.ts';
import { isPlaced, type Prompt } from '../prompts/types.ts';
import { type Camera, toScreen } from './camera.ts';

export const POSITIVE = '#22c55e';
export const NEGATIVE = '#ef4444';
const SHADOW = 'rgb(0 0 0 / 0.35)';

export function signColour(positive: boolean): string {
  return positive ? POSITIVE : NEGATIVE;
}

export function drawPolyline(
  context: CanvasRenderingContext2D,
  line: readonly XY[],
  colour: string,
  width: number,
  closed: boolean,
  shadow = true,
): void {
  context.lineJoin = context.lineCap = 'round';
  context.beginPath();
  for (const [x, y] of line) context.lineTo(x, y);
  if (line.length === 1) context.lineTo(line[0][0] + 0.01, line[0][1]);
  if (closed) context.closePath();
  if (shadow) {
    context.strokeStyle = SHADOW;
    context.lineWidth = width + 2;
    context.stroke();
  }
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

export function drawPoint(context: CanvasRenderingContext2D, [x, y]: XY, positive: boolean): void {
  const disc = (radius: number, colour: string): void => {
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.fillStyle = colour;
    context.fill();
  };
  disc(9, SHADOW);
  disc(8, '#fff');
  disc(6.5, signColour(positive));
  context.fillStyle = '#fff';
  context.fillRect(x - 3.5, y - 0.9, 7, 1.8);
  if (positive) context.fillRect(x - 0.9, y - 3.5, 1.8, 7);
}

/** What can be taken of boxes and polygons: points are handles themselves. */
export function drawHandles(
  context: CanvasRenderingContext2D,
  handles: readonly Handle[],
  camera: Camera,
): void {
  for (const { kind, at } of handles) {
    if (kind === 'point') continue;
    const [x, y] = toScreen(camera, at);
    context.beginPath();
    context.arc(x, y, kind === 'middle' ? 3 : 4.5, 0, 7);
    context.globalAlpha = kind === 'middle' ? 0.7 : 1;
    context.fillStyle = '#fff';
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = '#1d1f21';
    context.stroke();
    context.globalAlpha = 1;
  }
}

export function drawPrompts(
  context: CanvasRenderingContext2D,
  prompts: readonly Prompt[],
  camera: Camera,
): void {
  for (const prompt of prompts) {
    if (!isPlaced(prompt)) continue;
    const colour = signColour(prompt.positive);
    if (prompt.type === 'box') {
      const [x0, y0, x1, y1] = prompt.box;
      const corners: XY[] = [
        [x0, y0],
        [x1, y0],
        [x1, y1],
        [x0, y1],
      ];
      context.setLineDash([6, 5]);
      drawPolyline(
        context,
        corners.map((place) => toScreen(camera, place)),
        colour,
        1.5,
        true,
        false,
      );
      context.setLineDash([]);
    } else if (prompt.type === 'polygon' || prompt.type === 'scribble') {
      const line = prompt.points.map((place) => toScreen(camera, place));
      context.globalAlpha = 0.8;
      drawPolyline(context, line, colour, prompt.type === 'scribble' ? 4 : 1.5, prompt.type === 'polygon');
      context.globalAlpha = 1;
    }
  }
  for (const prompt of prompts) {
    if (prompt.type === 'point') drawPoint(context, toScreen(camera, [prompt.x, prompt.y]), prompt.positive);
  }
}
