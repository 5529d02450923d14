// SAM's mask decoder in a worker: ONNX Runtime on WebAssembly, fed exactly as Python feeds it.

import glueUrl from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import * as ort from 'onnxruntime-web/wasm';
import { type Frame, fitFrame } from '../geometry.ts';
import { ringsOfLogits, ringsOfRuns } from '../masks/outline.ts';
import { GRID } from '../masks/upsample.ts';
import type { Tokens } from '../prompts/encode.ts';
import type { Candidates } from './choose.ts';
import { widen } from './float16.ts';
import type { Ask, Open, Preview, Request, Round, Start } from './messages.ts';
import { answer, answerLogits } from './round.ts';

const KEPT_PICTURES = 8;

interface Opened {
  readonly features: ort.Tensor;
  readonly frame: Frame;
}

let start: Start;
let decoder: Promise<ort.InferenceSession>;
let maskDecoder: Promise<ort.InferenceSession> | undefined;
const opened = new Map<string, Opened>();

async function load(url: string): Promise<ort.InferenceSession> {
  const response = await fetch(url, { headers: start.headers });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return ort.InferenceSession.create(new Uint8Array(await response.arrayBuffer()), {
    executionProviders: ['wasm'],
    // Full optimisation takes five times as long to load and does not run faster.
    graphOptimizationLevel: 'extended',
  });
}

async function begin(message: Start): Promise<number> {
  start = message;
  ort.env.wasm.wasmPaths = {
    mjs: new URL(glueUrl, location.href).href,
    wasm: new URL(wasmUrl, location.href).href,
  };
  ort.env.wasm.numThreads = message.threads;
  decoder = load(message.decoder);
  await decoder;
  return ort.env.wasm.numThreads;
}

async function open({ image, size }: Open): Promise<void> {
  const known = opened.get(image);
  if (known) {
    opened.delete(image);
    opened.set(image, known);
    return;
  }
  const response = await fetch(`/v1/images/${image}/embedding?dtype=float16&model=${start.model}`, {
    headers: start.headers,
  });
  if (!response.ok)
    throw new Error(((await response.json()) as { error: { message: string } }).error.message);
  const shape = response.headers.get('X-Promptseg-Shape')!.split(',').map(Number);
  const features = widen(new Uint16Array(await response.arrayBuffer()));
  opened.set(image, { features: new ort.Tensor('float32', features, shape), frame: fitFrame(size) });
  for (const oldest of opened.keys()) {
    if (opened.size <= KEPT_PICTURES) break;
    opened.delete(oldest);
  }
}

async function decode(features: ort.Tensor, tokens: Tokens): Promise<Candidates> {
  const count = tokens.labels.length;
  const feeds: Record<string, ort.Tensor> = {
    features,
    points: new ort.Tensor('float32', Float32Array.from(tokens.points.flat()), [1, count, 2]),
    labels: new ort.Tensor('int64', BigInt64Array.from(tokens.labels, BigInt), [1, count]),
  };
  let session = await decoder;
  if (tokens.maskLogits) {
    maskDecoder ??= load(start.maskDecoder);
    session = await maskDecoder;
    feeds.mask_logits = new ort.Tensor('float32', tokens.maskLogits, [1, 1, GRID, GRID]);
  }
  const { logits, scores } = await session.run(feeds);
  return { logits: logits.data as Float32Array, scores: scores.data as Float32Array };
}

async function ask(message: Ask): Promise<Preview | Round> {
  const picture = opened.get(message.image);
  if (!picture) throw new Error('The picture is not open.');
  const run = (tokens: Tokens) => decode(picture.features, tokens);
  const { before, prompts, granularity } = message;
  if (message.kind === 'preview') {
    const { logits, score } = await answerLogits(run, picture.frame, before, prompts, granularity);
    return { rings: ringsOfLogits(logits, picture.frame), score };
  }
  const found = await answer(run, picture.frame, before, prompts, granularity);
  // Corrections will want the other network; it loads while the user looks at the first answer.
  maskDecoder ??= load(start.maskDecoder);
  return { ...found, rings: ringsOfRuns(found.mask) };
}

function handle(message: Request): Promise<unknown> {
  if (message.kind === 'start') return begin(message);
  return message.kind === 'open' ? open(message) : ask(message);
}

// One request after another: the network has one set of buffers, and answers must come in order.
let queue: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Request>) => {
  queue = queue.then(async () => {
    try {
      postMessage({ id: data.id, value: await handle(data) });
    } catch (error) {
      postMessage({ id: data.id, error: error instanceof Error ? error.message : String(error) });
    }
  });
};
