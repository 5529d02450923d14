// Two decoders behind one interface: the one in the browser, and the server's when the browser cannot.

import type { Size } from '../geometry.ts';
import { fromCoco, toCoco } from '../masks/coco.ts';
import { ringsOfRuns } from '../masks/outline.ts';
import type { Placed } from '../prompts/types.ts';
import { OfflineError, type Server } from '../server/client.ts';
import type { ModelBody } from '../server/openapi.ts';
import type { Ask, Preview, Reply, Request, Round } from './messages.ts';
import type { Known } from './round.ts';

export type Question = Omit<Ask, 'kind' | 'fine'>;

export interface Decoder {
  readonly where: 'browser' | 'server';
  /** Makes a picture ready; resolves when its embedding is at hand. */
  open(image: string, size: Size): Promise<void>;
  /** Outlines the answer to a question; coarsely at first, unless it is to be fine. */
  preview(question: Question, fine: boolean): Promise<Preview>;
  round(question: Question): Promise<Round>;
}

type Unsent = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

export class BrowserDecoder implements Decoder {
  readonly where = 'browser';
  private readonly worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  private readonly waiting = new Map<
    number,
    { resolve: (value: never) => void; reject: (error: Error) => void }
  >();
  private count = 0;

  private constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const waiter = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error !== undefined)
        waiter?.reject(data.offline ? new OfflineError(data.error) : new Error(data.error));
      else waiter?.resolve(data.value as never);
    };
    this.worker.onerror = (event) => {
      for (const waiter of this.waiting.values())
        waiter.reject(new Error(event.message || 'The decoder stopped.'));
      this.waiting.clear();
    };
  }

  /** Starts the worker and loads the network; rejects when this browser cannot run it. */
  static async start(server: Server, model: ModelBody): Promise<BrowserDecoder> {
    if (!model.bundle) throw new Error(`${model.name} has no decoder for browsers.`);
    const decoder = new BrowserDecoder();
    const threads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
    await decoder.ask<number>({
      kind: 'start',
      model: model.name,
      bundle: model.bundle,
      retouch: model.retouch,
      choice: model.choice,
      headers: server.headers(),
      threads,
    });
    return decoder;
  }

  open(image: string, size: Size): Promise<void> {
    return this.ask({ kind: 'open', image, size });
  }

  preview(question: Question, fine: boolean): Promise<Preview> {
    return this.ask({ kind: 'preview', fine, ...question });
  }

  round(question: Question): Promise<Round> {
    return this.ask({ kind: 'round', ...question });
  }

  private ask<T>(message: Unsent): Promise<T> {
    const id = ++this.count;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...message, id });
    });
  }
}

export class ServerDecoder implements Decoder {
  readonly where = 'server';

  constructor(
    private readonly server: Server,
    private readonly model: string,
  ) {}

  open(): Promise<void> {
    return Promise.resolve();
  }

  async preview(question: Question): Promise<Preview> {
    return { ...(await this.round(question)), coarse: false };
  }

  async round({ image, before, prompts, granularity }: Question): Promise<Round> {
    const { masks } = await this.server.segment(image, withMemory(before, prompts), granularity, this.model);
    const [best] = masks;
    const mask = fromCoco(best.segmentation);
    return {
      mask,
      logits: null,
      score: best.score,
      stability: best.stability_score ?? null,
      rings: ringsOfRuns(mask),
      plain: null,
    };
  }
}

/** All prompts so far; a mask that no prompts made, such as an imported one, goes along as a prompt. */
function withMemory(before: Known | null, prompts: readonly Placed[]): Placed[] {
  if (!before) return [...prompts];
  if (before.prompts.length > 0) return [...before.prompts, ...prompts];
  return [{ type: 'mask', segmentation: toCoco(before.mask), positive: true }, ...prompts];
}
