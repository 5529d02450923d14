// SAM's mask decoder in a worker: ONNX Runtime on WebAssembly, fed exactly as Python feeds it.

import glueUrl from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import * as ort from 'onnxruntime-web/wasm';
import { type Frame, fitFrame } from '../geometry.ts';
import { ringsOfLogits, ringsOfRuns } from '../masks/outline.ts';
import { GRID } from '../masks/upsample.ts';
import { encode, type Tokens } from '../prompts/encode.ts';
import { Bundle } from './bundle.ts';
import { type Candidates, insideOf } from './candidates.ts';
import type { Choice } from './choice.ts';
import { widen } from './float16.ts';
import type { Ask, Open, Preview, Request, Round, Start } from './messages.ts';
import { type Grid, inputsOf, pasted, type Shades, windowOf } from './retouch.ts';
import { answer, answerLogits, type Retouch } from './round.ts';
import { type Cells, cellsOf, chosen } from './sketch.ts';

const KEPT_PICTURES = 8;

/** The server could not be reached. */
class Unreached extends Error {}

async function get(url: string): Promise<Response> {
  try {
    return await fetch(url, { headers: start.headers });
  } catch (error) {
    throw new Unreached(String(error));
  }
}

interface Opened {
  readonly features: ort.Tensor;
  readonly frame: Frame;
  readonly cells: Cells;
  /** What the sketch needs of the picture. */
  readonly view: Promise<Record<string, ort.Tensor>>;
  /** What retouching needs of it, once it was wanted. */
  shades?: Shades;
}

type Graph = 'decoder' | 'mask_decoder' | 'view' | 'sketch' | 'retouch';

let start: Start;
let bundle: Promise<Bundle> | null = null;
let choice: Choice | null = null;
const sessions = new Map<Graph, Promise<ort.InferenceSession>>();
const opened = new Map<string, Opened>();

/** Loads a network when it is first wanted. */
function session(graph: Graph): Promise<ort.InferenceSession> {
  const known = sessions.get(graph) ?? load(graph);
  sessions.set(graph, known);
  known.catch(() => sessions.delete(graph)); // it is tried again
  return known;
}

async function loadChoice(): Promise<Choice | null> {
  if (!start.choice) return null;
  const response = await get(start.choice);
  if (!response.ok) throw new Error(`${start.choice}: ${response.status}`);
  return (await response.json()) as Choice;
}

async function fetched(url: string): Promise<ArrayBuffer> {
  const response = await get(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.arrayBuffer();
}

/** Networks share their weights, which are loaded once; one that a model lacks is not asked for. */
async function contentOf(graph: Graph): Promise<Uint8Array<ArrayBuffer>> {
  if (graph === 'retouch') return new Uint8Array(await fetched(start.retouch!));
  bundle ??= fetched(start.bundle).then((content) => new Bundle(content));
  const loading = bundle;
  loading.catch(() => {
    bundle = null; // it is tried again
  });
  return (await loading).model(graph);
}

async function load(graph: Graph): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(await contentOf(graph), {
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
  const [found] = await Promise.all([loadChoice(), session('view'), session('sketch')]);
  choice = found;
  void session('decoder').catch(() => undefined); // a click will say what is wrong
  return ort.env.wasm.numThreads;
}

async function open({ image, size }: Open): Promise<void> {
  const known = opened.get(image);
  if (known) {
    opened.delete(image);
    opened.set(image, known);
    return;
  }
  const response = await get(`/v1/images/${image}/embedding?dtype=float16&model=${start.model}`);
  if (!response.ok)
    throw new Error(((await response.json()) as { error: { message: string } }).error.message);
  const shape = response.headers.get('X-Promptseg-Shape')!.split(',').map(Number);
  const features = widen(new Uint16Array(await response.arrayBuffer()));
  const frame = fitFrame(size);
  const cells = cellsOf(frame);
  const tensor = new ort.Tensor('float32', features, shape);
  opened.set(image, { features: tensor, frame, cells, view: viewOf(tensor, cells) });
  for (const oldest of opened.keys()) {
    if (opened.size <= KEPT_PICTURES) break;
    opened.delete(oldest);
  }
}

async function viewOf(features: ort.Tensor, { rows, columns }: Cells): Promise<Record<string, ort.Tensor>> {
  const count = (length: number): ort.Tensor =>
    new ort.Tensor(
      'int64',
      BigInt64Array.from({ length }, (_, at) => BigInt(at)),
      [length],
    );
  return { ...(await (await session('view')).run({ features, rows: count(rows), columns: count(columns) })) };
}

/** A coarse mask of one click on an object that is not begun yet; null for other questions. */
async function sketched({ view, frame, cells }: Opened, message: Ask): Promise<Preview | null> {
  const [prompt, ...others] = message.prompts;
  if (message.fine || message.before || others.length > 0) return null;
  if (prompt.type !== 'point' || !prompt.positive) return null;
  const { points } = encode([prompt], frame, null);
  const { logits, scores } = await (await session('sketch')).run({
    ...(await view),
    points: new ort.Tensor('float32', Float32Array.from(points[0]), [1, 2]),
  });
  const sketch = { logits: logits.data as Float32Array, scores: scores.data as Float32Array };
  const found = chosen(sketch, cells, message.granularity, { at: points[0], choice });
  return { rings: ringsOfLogits(found.logits, frame), score: found.score, coarse: true };
}

async function decode(features: ort.Tensor, tokens: Tokens): Promise<Candidates> {
  const count = tokens.labels.length;
  const feeds: Record<string, ort.Tensor> = {
    features,
    points: new ort.Tensor('float32', Float32Array.from(tokens.points.flat()), [1, count, 2]),
    labels: new ort.Tensor('int64', BigInt64Array.from(tokens.labels, BigInt), [1, count]),
  };
  if (tokens.maskLogits) feeds.mask_logits = new ort.Tensor('float32', tokens.maskLogits, [1, 1, GRID, GRID]);
  const network = await session(tokens.maskLogits ? 'mask_decoder' : 'decoder');
  const { logits, scores } = await network.run(feeds);
  return { logits: logits.data as Float32Array, scores: scores.data as Float32Array };
}

/** Draws borders anew on a picture, whose pixels are fetched when they are first wanted. */
function retouchOf(picture: Opened, image: string): Retouch {
  const gridOf = (logits: Float32Array): Grid => {
    const { rows, columns, logits: inside } = insideOf([logits], picture.frame);
    return { rows, columns, values: inside[0] };
  };
  return async (logits, before, clicks) => {
    picture.shades ??= await shadesOf(image, picture.frame);
    const [given, earlier] = [gridOf(logits), gridOf(before)];
    const window = windowOf(given, earlier, clicks);
    const features = picture.features.data as Float32Array;
    const inputs = inputsOf(picture.shades, given, earlier, clicks, features, window);
    const feeds = Object.entries(inputs).map(([name, { values, shape }]) => [
      name,
      new ort.Tensor('float32', values, shape),
    ]);
    const { logits: drawn } = await (await session('retouch')).run(Object.fromEntries(feeds));
    return pasted(logits, drawn.data as Float32Array, window, given.rows, given.columns);
  };
}

/** The picture with two pixels along each cell of the mask grid; the last ones are repeated to fill the last cell. */
async function shadesOf(image: string, frame: Frame): Promise<Shades> {
  const response = await get(`/v1/images/${image}/file`);
  if (!response.ok) throw new Error(`/v1/images/${image}/file: ${response.status}`);
  const [width, height] = [frame.resized.width, frame.resized.height].map((side) => Math.ceil(side / 2));
  const [wide, tall] = [width, height].map((side) => 2 * Math.ceil(side / 2));
  const bitmap = await createImageBitmap(await response.blob());
  const context = new OffscreenCanvas(wide, tall).getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, wide, tall); // beneath, so that the last cells are full
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return { width: wide, data: context.getImageData(0, 0, wide, tall).data };
}

async function ask(message: Ask): Promise<Preview | Round> {
  const picture = opened.get(message.image);
  if (!picture) throw new Error('The picture is not open.');
  const run = (tokens: Tokens) => decode(picture.features, tokens);
  const { before, prompts, granularity } = message;
  if (message.kind === 'preview') {
    const coarse = await sketched(picture, message);
    if (coarse) return coarse;
    const soFar = before?.plain ? { ...before, ...before.plain } : before;
    const { logits, score } = await answerLogits(run, picture.frame, soFar, prompts, granularity, choice);
    return { rings: ringsOfLogits(logits, picture.frame), score, coarse: false };
  }
  const retouch = start.retouch ? retouchOf(picture, message.image) : null;
  const found = await answer(run, picture.frame, before, prompts, granularity, choice, retouch);
  // Corrections will want the other networks; they load while the user looks at the first answer.
  void session('mask_decoder').catch(() => undefined);
  if (start.retouch) void session('retouch').catch(() => undefined);
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
      const message = error instanceof Error ? error.message : String(error);
      postMessage({ id: data.id, error: message, offline: error instanceof Unreached });
    }
  });
};
