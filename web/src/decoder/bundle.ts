// The networks of a model as they come: graphs without weights, and each weight once (models/graphs/bundle.py).
//
// A file of safetensors, whose metadata say which tensor fills what of which graph. Serialised protocol buffers merge when
// they are concatenated: a graph, and after it messages that hold nothing but initialisers, are one model.

import { widen } from './float16.ts';

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const GRAPH = 'graph/';
const TYPES: Readonly<Record<string, number>> = { F16: 1, F32: 1, I64: 7 };
const [MODEL_GRAPH, GRAPH_INITIALISER] = [7, 5];
const [DIMS, TYPE, NAME, RAW] = [1, 2, 8, 9];
const [VARINT, LENGTH] = [0, 2];

export class Bundle {
  private readonly entries: Readonly<Record<string, Entry>>;
  private readonly used: Readonly<Record<string, Readonly<Record<string, string>>>>;
  private readonly start: number;

  constructor(private readonly content: ArrayBuffer) {
    const length = Number(new DataView(content).getBigUint64(0, true));
    this.start = 8 + length;
    const { __metadata__, ...entries } = JSON.parse(
      new TextDecoder().decode(new Uint8Array(content, 8, length)),
    );
    this.entries = entries;
    this.used = JSON.parse(__metadata__.graphs);
  }

  /** A complete model. */
  model(graph: string): Uint8Array<ArrayBuffer> {
    const tensors = Object.entries(this.used[graph]).map(([name, key]) => this.initialiser(name, key));
    return joined([this.bytes(this.entries[GRAPH + graph]), ...tensors.flat()]);
  }

  private bytes({ data_offsets: [begin, end] }: Entry): Uint8Array {
    return new Uint8Array(this.content, this.start + begin, end - begin);
  }

  private initialiser(name: string, key: string): Uint8Array[] {
    const entry = this.entries[key];
    const stored = this.bytes(entry);
    // Two bytes may begin at an odd place: they are copied.
    const raw = entry.dtype === 'F16' ? bytesOf(widen(new Uint16Array(stored.slice().buffer))) : stored;
    const text = new TextEncoder().encode(name);
    const head = [
      ...entry.shape.flatMap((side) => [...field(DIMS, VARINT), ...varint(side)]),
      ...field(TYPE, VARINT),
      ...varint(TYPES[entry.dtype]),
      ...field(NAME, LENGTH),
      ...varint(text.length),
      ...text,
      ...field(RAW, LENGTH),
      ...varint(raw.length),
    ];
    const tensor = [...field(GRAPH_INITIALISER, LENGTH), ...varint(head.length + raw.length), ...head];
    const model = [...field(MODEL_GRAPH, LENGTH), ...varint(tensor.length + raw.length), ...tensor];
    return [Uint8Array.from(model), raw];
  }
}

function field(number: number, kind: number): number[] {
  return varint((number << 3) | kind);
}

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    out.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  return [...out, rest];
}

function bytesOf(numbers: Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
