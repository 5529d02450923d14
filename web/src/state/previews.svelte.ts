// The outline under the cursor, before anything is clicked.

import type { Preview } from '../decoder/messages.ts';
import type { XY } from '../geometry.ts';
import type { Placed } from '../prompts/types.ts';
import { Hover, type Place } from './hover.ts';
import type { Studio } from './studio.svelte.ts';

export class Previews {
  preview = $state.raw<(Preview & { positive: boolean }) | null>(null);
  /** How many previews were shown so far. */
  shown = $state(0);
  private readonly hover: Hover;

  constructor(private readonly studio: Studio) {
    this.hover = new Hover(
      () => studio.decoding.ready && studio.decoding.decoder !== null && studio.changes.picture !== null,
      (place) => this.previewOf(place),
      (preview, positive) => {
        this.preview = { ...preview, positive };
        this.shown += 1;
      },
    );
  }

  /**
   * Shows the mask under the cursor; only the newest place is ever computed. It may be coarse while the mouse moves and
   * becomes fine when the mouse rests.
   */
  look(at: XY | null, positive = true): void {
    if (at) this.hover.look(at, positive);
    else this.hide();
  }

  /** Answers the place that waited until its picture was ready. */
  resume(): void {
    void this.hover.run();
  }

  hide(): void {
    this.hover.stop();
    this.preview = null;
  }

  /** What the preview was drawn upon has changed. */
  drop(): void {
    this.hover.settle();
    this.preview = null;
  }

  /** Null when nothing can be asked there, or the answer has come too late. */
  private async previewOf({ at, positive, fine }: Place): Promise<Preview | null> {
    const { changes, decoding, dialogue, objects } = this.studio;
    const [image, work, object] = [changes.picture!, changes.work, objects.active];
    if (!object && !positive) return null;
    const prompts: Placed[] = [{ type: 'point', x: at[0], y: at[1], positive }];
    const question = { image, before: dialogue.knownOf(object), prompts, granularity: dialogue.granularity };
    const found = await decoding.decoder!.preview(question, fine);
    return changes.work === work && dialogue.pending.length === 0 ? found : null;
  }
}
