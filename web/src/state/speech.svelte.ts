// Speech: what is said while a key or the button is held becomes text, to be looked at before it is searched for.

import { ServerError } from '../server/client.ts';
import { t } from '../words/words.svelte.ts';
import type { Studio } from './studio.svelte.ts';
import { toBase64, wavOf } from './wav.ts';

/** What the recogniser listens at. */
const RATE = 16_000;
/** The server takes recordings of 30 seconds. */
const MOST_MS = 28_000;
/** A shorter press is a slip. */
const LEAST_MS = 250;

export class Speech {
  /** What is to be searched for; what was heard is put here. */
  phrase = $state('');
  state = $state<'idle' | 'asking' | 'listening' | 'hearing'>('idle');
  /** How loud it is, from 0 to 1. */
  level = $state(0);
  private wanted = false;
  private recorder: MediaRecorder | null = null;

  constructor(private readonly studio: Studio) {}

  /** Whether the server writes recordings down. */
  get there(): boolean {
    return this.studio.decoding.models.some(({ prompts }) => prompts.includes('audio'));
  }

  /** Begins to listen, until `stop`. */
  async start(): Promise<void> {
    const { notices } = this.studio;
    if (this.state !== 'idle') return;
    if (!this.there) return notices.show(t('speechMissing'));
    if (!navigator.mediaDevices) return notices.show(t('speechInsecure'));
    this.wanted = true;
    this.state = 'asking';
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      this.state = 'idle';
      const refused = error instanceof DOMException && error.name === 'NotAllowedError';
      return notices.show(t(refused ? 'speechRefused' : 'speechNoMicrophone'));
    }
    try {
      if (this.wanted) await this.listen(stream);
    } catch (error) {
      if (error instanceof ServerError && error.status === 422) notices.show(error.message);
      else this.studio.complain(error);
    } finally {
      for (const track of stream.getTracks()) track.stop();
      this.state = 'idle';
      this.level = 0;
    }
  }

  /** What was said is written down. */
  stop(): void {
    this.wanted = false;
    if (this.recorder?.state === 'recording') this.recorder.stop();
  }

  private async listen(stream: MediaStream): Promise<void> {
    const context = new AudioContext();
    const begun = performance.now();
    try {
      const meter = context.createAnalyser();
      context.createMediaStreamSource(stream).connect(meter);
      const parts: Blob[] = [];
      const recorder = new MediaRecorder(stream);
      this.recorder = recorder;
      recorder.ondataavailable = ({ data }) => parts.push(data);
      const done = new Promise((resolve) => {
        recorder.onstop = resolve;
      });
      recorder.start();
      this.state = 'listening';
      const wave = new Float32Array(meter.fftSize);
      while (recorder.state === 'recording') {
        meter.getFloatTimeDomainData(wave);
        const loudness = Math.sqrt(wave.reduce((sum, value) => sum + value * value, 0) / wave.length);
        this.level = Math.min(1, 4 * loudness);
        if (performance.now() - begun > MOST_MS) recorder.stop();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await done;
      if (performance.now() - begun < LEAST_MS) return this.studio.notices.show(t('speechHold'));
      this.state = 'hearing';
      const sound = await context.decodeAudioData(await new Blob(parts).arrayBuffer());
      await this.hear(await plain(sound));
    } finally {
      this.recorder = null;
      await context.close();
    }
  }

  private async hear(samples: Float32Array): Promise<void> {
    const { phrase, words } = await this.studio.server.hear(toBase64(wavOf(samples, RATE)));
    this.studio.tool = 'text';
    this.phrase = phrase || words;
    this.studio.notices.say(t('speechHeard', { words: this.phrase }));
  }
}

/** One channel at the rate of the recogniser. */
async function plain(sound: AudioBuffer): Promise<Float32Array> {
  const offline = new OfflineAudioContext(1, Math.max(1, Math.ceil(sound.duration * RATE)), RATE);
  const source = offline.createBufferSource();
  source.buffer = sound;
  source.connect(offline.destination);
  source.start();
  return (await offline.startRendering()).getChannelData(0);
}
