// What the server finds by itself: everything, a scene, words, and what looks like an object of another picture.

import { fromCoco } from '../masks/coco.ts';
import { areaOf } from '../masks/runs.ts';
import type { Prompt } from '../prompts/types.ts';
import type { FoundMask, SearchedMask } from '../server/client.ts';
import type { ReferencePrompt } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import { newObject, nextName, type StudioObject } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export interface Exemplar {
  readonly image: string;
  readonly object: StudioObject;
}

export class Searches {
  running = $state<'everything' | 'text' | 'reference' | 'panoptic' | null>(null);
  progress = $state(0);
  private stopper: AbortController | null = null;

  constructor(private readonly studio: Studio) {}

  stop(): void {
    this.stopper?.abort();
  }

  async everything(): Promise<void> {
    await this.run('everything', async (image, signal) => {
      const found: SearchedMask[] = [];
      for await (const line of this.studio.server.everything(image, signal)) {
        if (line.type === 'progress') this.progress = line.total ? line.done / line.total : 0;
        else if (line.type === 'masks') found.push(...line.masks);
        else if (line.type === 'error') throw new Error(line.error.message);
      }
      return found.map((mask) => ({
        mask,
        prompts: mask.points.map(([x, y]) => pointAt(x, y)),
        name: null,
      }));
    });
  }

  async text(phrase: string): Promise<void> {
    const prompts: Prompt[] = [{ type: 'text', phrase }];
    await this.run('text', async (image, signal) => {
      const { masks } = await this.studio.server.segment(image, prompts, 'auto', this.semantic, signal);
      return masks.map((mask) => ({ mask, prompts, name: phrase }));
    });
  }

  async reference({ image: other, object }: Exemplar, region: ReferencePrompt['mask']): Promise<void> {
    const prompts: Prompt[] = [{ type: 'reference', image: { id: other }, mask: region }];
    await this.run('reference', async (image, signal) => {
      const { masks } = await this.studio.server.segment(image, prompts, 'auto', this.semantic, signal);
      return masks.map((mask) => ({ mask, prompts, name: object.name, label: object.label }));
    });
  }

  async panoptic(): Promise<void> {
    await this.run('panoptic', async (image, signal) => {
      const { masks } = await this.studio.server.panoptic(image, this.semantic, signal);
      return masks.map((mask) => ({
        mask,
        prompts: [],
        name: mask.label ?? null,
        label: mask.label ?? null,
      }));
    });
  }

  /** A model with semantics if the server has one; otherwise its answer says what is missing. */
  private get semantic(): string | undefined {
    return this.studio.decoding.models.find((model) => model.semantic)?.name;
  }

  private async run(
    kind: NonNullable<Searches['running']>,
    search: (image: string, signal: AbortSignal) => Promise<Finding[]>,
  ): Promise<void> {
    const image = this.studio.changes.picture;
    if (!image || this.running) return;
    this.running = kind;
    this.progress = 0;
    this.stopper = new AbortController();
    try {
      const findings = await search(image, this.stopper.signal);
      this.add(image, findings);
    } catch (error) {
      if (!this.stopper.signal.aborted) this.studio.complain(error);
    } finally {
      this.running = null;
    }
  }

  private add(picture: string, findings: readonly Finding[]): void {
    const sized = findings.map((finding) => ({ ...finding, runs: fromCoco(finding.mask.segmentation) }));
    // Small masks lie on top of large ones.
    const filled = sized
      .filter(({ runs }) => areaOf(runs) > 0)
      .sort((a, b) => areaOf(b.runs) - areaOf(a.runs));
    const work = this.studio.changes.workOf(picture);
    if (!work) return;
    const made: StudioObject[] = [];
    for (const { mask, runs, prompts, name, label } of filled) {
      const others = [...work.objects, ...made];
      const details = {
        prompts,
        score: mask.score,
        stability: mask.stability_score ?? null,
        label: label ?? null,
      };
      const coloured = label ? { ...details, colour: this.studio.classes.colourOf(label) } : details;
      made.push(
        newObject(others, name ? numbered(name, others) : nextName(others, t('object')), runs, coloured),
      );
    }
    if (made.length > 0) this.studio.objects.add(picture, made);
    this.studio.notices.show(t('foundMany', { count: made.length }));
  }
}

interface Finding {
  readonly mask: FoundMask;
  readonly prompts: readonly Prompt[];
  readonly name: string | null;
  readonly label?: string | null;
}

function pointAt(x: number, y: number): Prompt {
  return { type: 'point', x, y, positive: true };
}

function numbered(name: string, others: readonly StudioObject[]): string {
  const same = others.filter((object) => object.name === name || object.name.startsWith(`${name} `)).length;
  return same === 0 ? name : `${name} ${same + 1}`;
}
