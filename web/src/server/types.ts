// The server's JSON, as docs/server.md states it.

import type { CocoRle } from '../masks/coco.ts';
import type { Prompt } from '../prompts/types.ts';

export interface ImageRecord {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly name: string;
  readonly created: string;
  readonly objects: number;
  readonly embedded: boolean;
}

export interface MaskRecord {
  readonly object_id?: number;
  readonly score: number;
  readonly stability_score?: number | null;
  readonly label?: string | null;
  readonly is_thing?: boolean;
  readonly points?: [number, number][];
  readonly segmentation: CocoRle;
}

export interface SegmentAnswer {
  readonly model: string;
  readonly masks: MaskRecord[];
}

export interface ObjectRecord {
  readonly id: string;
  readonly segmentation: CocoRle;
  readonly name?: string | null;
  readonly label?: string | null;
  readonly colour?: string | null;
  readonly visible?: boolean;
  readonly opacity?: number;
  readonly locked?: boolean;
  readonly score?: number | null;
  readonly stability_score?: number | null;
  readonly granularity?: string | null;
  readonly prompts?: Prompt[];
  readonly extra?: Record<string, unknown>;
}

export interface ObjectsAnswer {
  readonly version: number;
  readonly objects: ObjectRecord[];
}

export interface ClassRecord {
  readonly name: string;
  readonly colour: string;
}

export interface ModelRecord {
  readonly name: string;
  readonly semantic: boolean;
  readonly decoder: string | null;
  readonly mask_decoder: string | null;
  readonly view: string | null;
  readonly sketch: string | null;
  readonly choice: string | null;
  readonly retouch: string | null;
  readonly prompts: string[];
}

export interface ModelsAnswer {
  readonly default: string;
  readonly models: ModelRecord[];
}

export type StreamLine =
  | { type: 'progress'; done: number; total: number }
  | { type: 'masks'; masks: MaskRecord[] }
  | { type: 'done'; count: number }
  | { type: 'error'; error: { type: string; message: string } };

export type ExportFormat =
  | 'coco'
  | 'labelme'
  | 'sa1b'
  | 'yolo'
  | 'svg'
  | 'png'
  | 'cutout'
  | 'index'
  | 'overlay';
export type ImportFormat = 'coco' | 'labelme' | 'sa1b';
