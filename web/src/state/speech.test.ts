import { afterEach, describe, expect, it, vi } from 'vitest';
import { Speech } from './speech.svelte.ts';
import type { Studio } from './studio.svelte.ts';

vi.mock('../words/words.svelte.ts', async () => {
  const [{ en }, { filled }] = await Promise.all([import('../words/en.ts'), import('../words/filled.ts')]);
  return { t: (word: keyof typeof en, values = {}) => filled(en[word], values, 'en') };
});

afterEach(() => vi.unstubAllGlobals());

function speechOf(prompts: readonly string[], ask: (() => Promise<unknown>) | null) {
  const told: string[] = [];
  vi.stubGlobal('navigator', { mediaDevices: ask ? { getUserMedia: ask } : undefined });
  const studio = {
    decoding: { models: [{ prompts }] },
    notices: { show: (text: string) => told.push(text) },
    complain: (error: unknown) => told.push(`complaint: ${error}`),
  };
  return { speech: new Speech(studio as unknown as Studio), told };
}

describe('speech', () => {
  it('says kindly that the server does not understand it, and asks for no microphone', async () => {
    const ask = vi.fn();
    const { speech, told } = speechOf(['point', 'text'], ask);
    await speech.start();
    expect(told[0]).toMatch('does not understand speech');
    expect(ask).not.toHaveBeenCalled();
  });

  it('says kindly that the microphone was not allowed, is not there, or cannot be had on this page', async () => {
    const failing = (name: string) => () => Promise.reject(new DOMException('', name));
    for (const [ask, says] of [
      [failing('NotAllowedError'), 'not allowed'],
      [failing('NotFoundError'), 'No microphone'],
      [null, 'over HTTPS'],
    ] as const) {
      const { speech, told } = speechOf(['audio'], ask);
      await speech.start();
      expect(told).toHaveLength(1);
      expect(told[0]).toMatch(says);
      expect(told[0]).toMatch('You can type instead');
      expect(speech.state).toBe('idle');
    }
  });

  it('a key that is let go before the microphone was allowed records nothing', async () => {
    const stopped = vi.fn();
    let allow: (stream: object) => void = () => undefined;
    const { speech, told } = speechOf(['audio'], () => new Promise((resolve) => (allow = resolve)));
    const begun = speech.start();
    speech.stop();
    allow({ getTracks: () => [{ stop: stopped }] });
    await begun;
    expect([told, speech.state, stopped.mock.calls.length]).toEqual([[], 'idle', 1]);
  });
});
