// The prompts of the server's JSON, in pixels of the picture, as the studio tells them apart.

import type {
  BoxPrompt,
  MaskPrompt,
  ObjectBody,
  PointPrompt,
  PolygonPrompt,
  ScribblePrompt,
} from '../server/openapi.ts';

export type Prompt = ObjectBody['prompts'][number];
/** What says where an object is, and what the studio has a tool for. */
export type Placed = PointPrompt | BoxPrompt | PolygonPrompt | ScribblePrompt | MaskPrompt;

export type Granularity = NonNullable<ObjectBody['granularity']>;
export const GRANULARITIES: readonly Granularity[] = ['auto', 'part', 'object', 'whole'];

const PLACED: ReadonlySet<string> = new Set<Placed['type']>(['point', 'box', 'polygon', 'scribble', 'mask']);

export function isPlaced(prompt: Prompt): prompt is Placed {
  return PLACED.has(prompt.type);
}

export function isPositive(prompt: Prompt): boolean {
  return !('positive' in prompt) || prompt.positive;
}
