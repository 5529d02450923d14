// The studio: it holds the parts of the work, which reach each other through it, and the hand's tool.

import { type Server, ServerError } from '../server/client.ts';
import { t } from '../words/words.svelte.ts';
import { Changes } from './changes.svelte.ts';
import { Classes } from './classes.svelte.ts';
import { Decoding } from './decoding.svelte.ts';
import { Dialogue } from './dialogue.svelte.ts';
import { LabelFiles } from './label_files.ts';
import { messageOf, Notices } from './notices.svelte.ts';
import { ObjectList } from './object_list.svelte.ts';
import { Pictures } from './pictures.svelte.ts';
import { Previews } from './previews.svelte.ts';

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

export class Studio {
  tool = $state<ToolName>('point');
  positive = $state(true);
  brush = $state(28);

  readonly notices = new Notices();
  readonly pictures = new Pictures(this);
  readonly changes = new Changes(this);
  readonly objects = new ObjectList(this);
  readonly decoding = new Decoding(this);
  readonly dialogue = new Dialogue(this);
  readonly previews = new Previews(this);
  readonly classes = new Classes(this);
  readonly labelFiles = new LabelFiles(this);

  constructor(readonly server: Server) {}

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
      const wrong = error instanceof ServerError && error.status === 401;
      return this.notices.show(wrong ? t('tokenWrong') : t('noServer'), true);
    }
    this.pictures.openLast();
    await this.decoding.start();
  }

  complain(error: unknown): void {
    this.notices.show(messageOf(error), true);
  }
}
