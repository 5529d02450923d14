// Prompts as the server's JSON has them: where an object is, in pixels of the picture.

import type { Box4, XY } from '../geometry.ts';
import type { CocoRle } from '../masks/coco.ts';

export interface PointPrompt {
  readonly type: 'point';
  readonly x: number;
  readonly y: number;
  readonly positive: boolean;
}

export interface BoxPrompt {
  readonly type: 'box';
  readonly box: Box4;
  readonly positive: boolean;
}

export interface PolygonPrompt {
  readonly type: 'polygon';
  readonly points: readonly XY[];
  readonly positive: boolean;
}

export interface ScribblePrompt {
  readonly type: 'scribble';
  readonly points: readonly XY[];
  readonly width: number;
  readonly positive: boolean;
}

export interface MaskPrompt {
  readonly type: 'mask';
  readonly segmentation: CocoRle;
  readonly positive: boolean;
}

export interface TextPrompt {
  readonly type: 'text';
  readonly phrase: string;
}

export interface ReferencePrompt {
  readonly type: 'reference';
  readonly image: { readonly id: string };
  readonly mask: Placed;
}

export type Placed = PointPrompt | BoxPrompt | PolygonPrompt | ScribblePrompt | MaskPrompt;
export type Prompt = Placed | TextPrompt | ReferencePrompt;

export type Granularity = 'auto' | 'part' | 'object' | 'whole';
export const GRANULARITIES: readonly Granularity[] = ['auto', 'part', 'object', 'whole'];

export function isPlaced(prompt: Prompt): prompt is Placed {
  return prompt.type !== 'text' && prompt.type !== 'reference';
}

export function isPositive(prompt: Prompt): boolean {
  return !isPlaced(prompt) || prompt.positive;
}
