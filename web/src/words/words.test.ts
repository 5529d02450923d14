import { describe, expect, it } from 'vitest';
import { en } from './en.ts';
import { filled } from './filled.ts';
import { ja } from './ja.ts';

describe('words', () => {
  it('agree with their numbers', () => {
    expect(filled(en.deleted, { count: 1 }, 'en')).toBe('Deleted 1 object.');
    expect(filled(en.deleted, { count: 1200 }, 'en')).toBe('Deleted 1,200 objects.');
    expect(filled(ja.deleted, { count: 1200 }, 'ja')).toBe('1,200 個の物体を削除しました。');
  });

  it('have the same gaps in both languages', () => {
    const gaps = (text: string): string[] =>
      [...new Set([...text.matchAll(/\{(\w+)/g)].map(([, name]) => name))].sort();
    for (const word of Object.keys(en) as (keyof typeof en)[])
      expect(gaps(ja[word]), word).toEqual(gaps(en[word]));
  });
});
