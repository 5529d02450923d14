// What the server finds by itself: everything, a scene, words, and what looks like an object of another picture.

import { fromCoco } from '../masks/coco.ts';
import { areaOf, intersection, type Runs, union } from '../masks/runs.ts';
import type { Prompt } from '../prompts/types.ts';
import type { FoundMask } from '../server/client.ts';
import type { ReferencePrompt } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import { newObject, nextName, type StudioObject } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export interface Exemplar {
  readonly image: string;
  readonly object: StudioObject;
}

/** What is added: all that is found, what is new, or everything in place of what was there. */
type Policy = 'add' | 'new' | 'replace';

/** A search that is to end does so within this time. */
const ENDING_MS = 20_000;

/** What is covered by objects to more than this share is not new. */
const KNOWN = 0.5;

export class Searches {
  running = $state<'everything' | 'text' | 'reference' | 'panoptic' | null>(null);
  /** Whose search it is. */
  picture = $state<string | null>(null);
  progress = $state(0);
  private stopper: AbortController | null = null;
  /** The name of the search on the server, as long as it can be ended there. */
  private search: string | null = null;

  constructor(private readonly studio: Studio) {}

  /** A search for everything is let end with what it has found; others, and one that does not end, are cut off. */
  stop(): void {
    const { picture, search, stopper } = this;
    const cut = (): void => stopper?.abort();
    this.search = null;
    if (picture === null || search === null) return cut();
    this.studio.server.finishSearch(picture, search).catch(cut);
    setTimeout(cut, ENDING_MS);
  }

  async everything(): Promise<void> {
    const policy = await this.policy();
    if (policy)
      await this.run('everything', policy, async (image, signal, keep) => {
        const search = crypto.randomUUID().replaceAll('-', '');
        this.search = search;
        let cut = false;
        for await (const line of this.studio.server.everything(image, search, signal)) {
          if (line.type === 'done') cut = line.cut ?? false;
          else if (line.type === 'progress') this.progress = line.total ? line.done / line.total : 0;
          else if (line.type === 'error') throw new Error(line.error.message);
          else if (line.type === 'masks')
            keep(
              line.masks.map((mask) => ({
                mask,
                prompts: mask.points.map(([x, y]) => pointAt(x, y)),
                name: null,
              })),
            );
        }
        return cut;
      });
  }

  async text(phrase: string): Promise<void> {
    const prompts: Prompt[] = [{ type: 'text', phrase }];
    const { classes, server } = this.studio;
    await this.run('text', 'add', async (image, signal, keep) => {
      const { masks } = await server.segment(image, prompts, 'auto', this.semantic, signal);
      keep(
        masks.map((mask) => ({
          mask,
          prompts,
          name: phrase,
          label: mask.noun ? classes.called(mask.noun) : null,
        })),
      );
    });
  }

  async reference({ image: other, object }: Exemplar, region: ReferencePrompt['mask']): Promise<void> {
    const prompts: Prompt[] = [{ type: 'reference', image: { id: other }, mask: region }];
    await this.run('reference', 'add', async (image, signal, keep) => {
      const { masks } = await this.studio.server.segment(image, prompts, 'auto', this.semantic, signal);
      keep(masks.map((mask) => ({ mask, prompts, name: object.name, label: object.label })));
    });
  }

  async panoptic(): Promise<void> {
    const policy = await this.policy();
    if (policy)
      await this.run('panoptic', policy, async (image, signal, keep) => {
        const { masks } = await this.studio.server.panoptic(image, this.semantic, signal);
        keep(
          masks.map((mask) => ({
            mask,
            prompts: [],
            name: mask.label ?? null,
            label: mask.label ?? null,
          })),
        );
      });
  }

  /** What is to become of the objects that are there already, when the whole picture is searched; null: stop here. */
  private async policy(): Promise<Policy | null> {
    const { objects, questions } = this.studio;
    const count = objects.all.length;
    if (count === 0) return 'add';
    const choices = (['new', 'replace'] as const).map((value) => ({ value, text: t(`search_${value}`) }));
    return (await questions.ask(t('toolEverything'), t('searchAsk', { count }), choices)) as Policy | null;
  }

  /** A model with semantics if the server has one; otherwise its answer says what is missing. */
  private get semantic(): string | undefined {
    return this.studio.decoding.models.find((model) => model.semantic)?.name;
  }

  private async run(
    kind: NonNullable<Searches['running']>,
    policy: Policy,
    search: (
      image: string,
      signal: AbortSignal,
      keep: (found: readonly Finding[]) => void,
    ) => Promise<unknown>,
  ): Promise<void> {
    const image = this.studio.changes.picture;
    if (!image || this.running) return;
    this.running = kind;
    this.picture = image;
    this.progress = 0;
    const stopper = new AbortController();
    this.stopper = stopper;
    const found: Finding[] = [];
    let fault: unknown = null;
    let cut = false;
    try {
      cut = true === (await search(image, stopper.signal, (findings) => found.push(...findings)));
    } catch (error) {
      fault = error;
    }
    this.running = this.picture = this.search = null;
    const stopped = stopper.signal.aborted;
    if (fault !== null && !stopped) this.studio.complain(fault);
    if (fault === null || found.length > 0 || stopped) this.add(image, found, policy, cut || fault !== null);
  }

  /** Adds what was found to its picture, even if another one is on show by now, or if the search did not end. */
  private add(picture: string, findings: readonly Finding[], policy: Policy, cut: boolean): void {
    const { changes, notices, pictures } = this.studio;
    const work = changes.workOf(picture);
    if (!work) return;
    const there = policy === 'replace' && findings.length > 0 ? [] : work.objects;
    const made = this.objectsOf(findings, there, policy);
    if (made.length > 0) {
      if (changes.picture === picture) this.studio.objects.select([]);
      changes.edit(picture, () => ({ objects: [...there, ...made], active: null }));
    }
    const count = made.length;
    const name = pictures.images.find(({ id }) => id === picture)?.name ?? '';
    const known = findings.length - count;
    if (cut) notices.show(t('foundUntilStop', { count, name }));
    else if (changes.picture !== picture) notices.show(t('foundElsewhere', { count, name }));
    else notices.show(known > 0 ? t('foundNew', { count, known }) : t('foundMany', { count }));
  }

  private objectsOf(
    findings: readonly Finding[],
    there: readonly StudioObject[],
    policy: Policy,
  ): StudioObject[] {
    const sized = findings.map((finding) => ({ ...finding, runs: fromCoco(finding.mask.segmentation) }));
    // Small masks lie on top of large ones.
    const filled = sized
      .filter(({ runs }) => areaOf(runs) > 0)
      .sort((a, b) => areaOf(b.runs) - areaOf(a.runs));
    const covered = policy === 'new' && there.length > 0 ? there.map(({ mask }) => mask).reduce(union) : null;
    const isNew = (runs: Runs): boolean =>
      covered === null || areaOf(intersection(runs, covered)) <= KNOWN * areaOf(runs);
    const made: StudioObject[] = [];
    for (const { mask, runs, prompts, name, label } of filled) {
      if (!isNew(runs)) continue;
      const others = [...there, ...made];
      const details = {
        prompts,
        score: mask.score,
        stability: mask.stability_score ?? null,
        ...this.studio.classes.dress(label ?? null),
      };
      made.push(
        newObject(others, name ? numbered(name, others) : nextName(others, t('object')), runs, details),
      );
    }
    return made;
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
