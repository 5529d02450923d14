// The models of the server, and the decoder that answers prompts: in this browser, or on the server.

import { BrowserDecoder, type Decoder, ServerDecoder } from '../decoder/client.ts';
import { OfflineError } from '../server/client.ts';
import type { ModelBody, ModelsBody } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import { messageOf } from './notices.svelte.ts';
import type { Studio } from './studio.svelte.ts';

export class Decoding {
  decoder = $state.raw<Decoder | null>(null);
  model = $state.raw<ModelBody | null>(null);
  models = $state.raw<readonly ModelBody[]>([]);
  /** The embedding of the current picture is at hand. */
  ready = $state(false);
  /** Resolves once there is a decoder. */
  readonly started: Promise<Decoder>;
  private begin!: (decoder: Decoder) => void;

  constructor(private readonly studio: Studio) {
    this.started = new Promise((resolve) => {
      this.begin = resolve;
    });
  }

  /** Takes a model that runs in the browser for pointing, if there is one; words go to one that knows them. */
  choose({ models, default: name }: ModelsBody): void {
    this.models = models;
    const first = models.find((model) => model.name === name) ?? models[0];
    this.model = first.decoder ? first : (models.find((model) => model.decoder) ?? first);
  }

  async start(): Promise<void> {
    const { connection, notices, server } = this.studio;
    const forced = new URLSearchParams(location.search).get('decoder') === 'server';
    while (!this.decoder) {
      try {
        if (forced) throw new Error('?decoder=server');
        this.decoder = await BrowserDecoder.start(server, this.model!);
      } catch (error) {
        if (error instanceof OfflineError) {
          connection.lose();
          await connection.returned();
          continue;
        }
        if (!forced) notices.show(t('onServer', { reason: messageOf(error) }));
        this.decoder = new ServerDecoder(server, this.model!.name);
      }
    }
    this.begin(this.decoder);
    void this.prepare();
  }

  /** Asks for the current picture's embedding. */
  async prepare(): Promise<void> {
    const { decoder } = this;
    const { pictures, previews } = this.studio;
    const { image } = pictures;
    if (!image || !decoder) return;
    try {
      await decoder.open(image.id, image);
      if (pictures.current !== image.id) return;
      this.ready = true;
      previews.resume();
    } catch (error) {
      this.studio.complain(error);
    }
  }
}
