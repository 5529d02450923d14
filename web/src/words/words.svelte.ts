// The words of the page, in the reader's language.

import { en, type Word } from './en.ts';
import { filled } from './filled.ts';
import { ja } from './ja.ts';

export type Language = 'en' | 'ja';
export type { Word };

const LANGUAGES: Record<Language, Record<Word, string>> = { en, ja };
const KEPT = 'promptseg.language';

function preferred(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === 'en' || kept === 'ja') return kept;
  return navigator.language.startsWith('ja') ? 'ja' : 'en';
}

class Words {
  language = $state<Language>(preferred());

  use(language: Language): void {
    this.language = language;
    localStorage.setItem(KEPT, language);
    document.documentElement.lang = language;
  }
}

export const words = new Words();

/** The word in the current language, with {names} filled in; {count|object|objects} is a number with its noun. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return filled(LANGUAGES[words.language][word], values, words.language);
}
