// The studio: it holds the parts of the work, which reach each other through it, and the hand's tool.

import { OfflineError, type Server, ServerError } from '../server/client.ts';
import { t } from '../words/words.svelte.ts';
import { Changes } from './changes.svelte.ts';
import { Classes } from './classes.svelte.ts';
import { Connection } from './connection.svelte.ts';
import { Decoding } from './decoding.svelte.ts';
import { Dialogue } from './dialogue.svelte.ts';
import { LabelFiles } from './label_files.ts';
import { LabelRuns } from './label_runs.svelte.ts';
import { Live } from './live.ts';
import { messageOf, Notices } from './notices.svelte.ts';
import { ObjectList } from './object_list.svelte.ts';
import { Pictures } from './pictures.svelte.ts';
import { Previews } from './previews.svelte.ts';
import { Questions } from './questions.svelte.ts';
import { Reviews } from './reviews.svelte.ts';
import { Speech } from './speech.svelte.ts';
import { Suggestions } from './suggestions.svelte.ts';

export type ToolName =
  | 'select'
  | 'point'
  | 'box'
  | 'polygon'
  | 'scribble'
  | 'brush'
  | 'eraser'
  | 'text'
  | 'reference'
  | 'everything';

/** Something that is being drawn and is no object yet, such as a polygon that is still open. */
export interface Draft {
  undo(): void;
  redo(): void;
}

export class Studio {
  tool = $state<ToolName>('point');
  positive = $state(true);
  brush = $state(28);
  /** There is little room: the tool's options do not float over the picture. */
  compact = $state(false);
  draft = $state.raw<Draft | null>(null);

  readonly connection = new Connection(() => this.resume());
  readonly notices = new Notices();
  readonly questions = new Questions();
  readonly pictures = new Pictures(this);
  readonly changes = new Changes(this);
  readonly objects = new ObjectList(this);
  readonly decoding = new Decoding(this);
  readonly dialogue = new Dialogue(this);
  readonly previews = new Previews(this);
  readonly live = new Live(this);
  readonly classes = new Classes(this);
  readonly labelFiles = new LabelFiles(this);
  readonly reviews = new Reviews(this);
  readonly suggestions = new Suggestions(this);
  readonly labelRuns = new LabelRuns(this);
  readonly speech = new Speech(this);

  constructor(readonly server: Server) {
    server.annotator = this.reviews.annotator;
    server.onkept = () => this.connection.lose();
  }

  async start(): Promise<void> {
    const { server } = this;
    try {
      const [models, images, classes] = await Promise.all([
        server.models(),
        server.images(),
        server.classes(),
      ]);
      this.decoding.choose(models);
      this.pictures.images = images;
      this.classes.take(classes);
    } catch (error) {
      if (error instanceof ServerError && error.status === 401)
        return this.notices.show(t('tokenWrong'), true);
      this.complain(error);
      if (!(error instanceof OfflineError)) return;
      await this.connection.returned();
      return this.start();
    }
    this.pictures.openLast();
    this.live.start();
    this.reviews.start();
    void this.labelRuns.look();
    void this.changes.takeUp().catch((error) => this.complain(error));
    await this.decoding.start();
  }

  /** The server is back. */
  private resume(): void {
    const { changes, decoding, pictures } = this;
    changes.resume();
    if (pictures.current !== null && changes.picture === null) void pictures.open(pictures.current);
    else if (!decoding.ready) void decoding.prepare();
    if (decoding.models.length > 0) void pictures.refresh();
  }

  /** Takes back the last step: a corner, a question that is not answered yet, a change. */
  undo(): void {
    if (this.draft) this.draft.undo();
    else this.changes.undo();
  }

  redo(): void {
    if (this.draft) this.draft.redo();
    else this.changes.redo();
  }

  /** Makes the brush larger or smaller. */
  sizeBrush(factor: number): void {
    const size = Math.round(this.brush * factor);
    const other = size === this.brush ? size + Math.sign(factor - 1) : size;
    this.brush = Math.min(160, Math.max(2, other));
  }

  get canUndo(): boolean {
    return this.draft !== null || this.changes.canUndo || this.dialogue.pending.length > 0;
  }

  complain(error: unknown): void {
    if (error instanceof OfflineError) this.connection.lose();
    else this.notices.show(messageOf(error), true);
  }
}
