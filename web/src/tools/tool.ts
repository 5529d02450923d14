// What a tool is to the stage: it hears of the hand over the picture and draws its own marks.

import type { XY } from '../geometry.ts';
import type { Studio, ToolName } from '../state/studio.svelte.ts';
import type { Camera } from '../view/camera.ts';
import { outlineOf } from '../view/overlay.ts';
import { borderOf } from './snapping.ts';

/** Where the user points, and what for. */
export interface Hand {
  /** In pixels of the picture. */
  readonly at: XY;
  readonly positive: boolean;
  readonly shift: boolean;
  readonly touch: boolean;
}

/** What a tool needs to draw on the stage, in CSS pixels. */
export interface View {
  readonly camera: Camera;
  readonly studio: Studio;
}

/** What places may snap to: the outlines of the objects in sight, and the border of the picture. */
export function outlinesInSight(studio: Studio, except: string | null = null): Float32Array[] {
  const { image } = studio.pictures;
  const seen = studio.objects.all.filter(({ id, visible }) => visible && id !== except);
  return [...seen.flatMap(({ mask }) => outlineOf(mask)), ...(image ? [borderOf(image)] : [])];
}

export abstract class Tool {
  abstract readonly name: ToolName;
  get cursor(): string {
    return 'crosshair';
  }

  /** Dragging belongs to the tool; otherwise it moves the picture. */
  readonly drags: boolean = false;
  /** Draws something at the pointer, so that every move of it needs a new frame. */
  readonly follows: boolean = false;

  constructor(protected readonly studio: Studio) {}

  hover(_hand: Hand): void {}
  leave(): void {}
  tap(_hand: Hand): void {}
  down(_hand: Hand): void {}
  move(_hand: Hand): void {}
  up(_hand: Hand): void {}
  /** Returns whether the key was meant for the tool. */
  key(_key: string): boolean {
    return false;
  }
  cancel(): void {}
  draw(_context: CanvasRenderingContext2D, _view: View): void {}
}
