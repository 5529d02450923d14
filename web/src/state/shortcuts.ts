// Keys that work wherever the focus is, save in text fields.

import { GRANULARITIES } from '../prompts/types.ts';
import type { Stage } from '../view/stage.ts';
import type { Studio, ToolName } from './studio.svelte.ts';

export const TOOL_KEYS: Record<ToolName, string> = {
  select: 'v',
  point: 'c',
  box: 'b',
  polygon: 'p',
  scribble: 's',
  brush: 'r',
  eraser: 'x',
  text: 't',
  reference: 'f',
  everything: 'e',
};

const TOOL_OF_KEY = new Map(Object.entries(TOOL_KEYS).map(([tool, key]) => [key, tool as ToolName]));
const KEPT = 'promptseg.singleKeys';

export interface Places {
  readonly stage: Stage | null;
  readonly help: () => void;
  readonly export: () => void;
  readonly open: () => void;
  readonly palette: () => void;
}

export class Shortcuts {
  /** Whether single letters are commands; speech input users may want them off. */
  single = localStorage.getItem(KEPT) !== 'off';

  constructor(private readonly studio: Studio) {}

  allowSingle(allowed: boolean): void {
    this.single = allowed;
    localStorage.setItem(KEPT, allowed ? 'on' : 'off');
  }

  /** A key was let go. */
  release({ key }: KeyboardEvent): void {
    if (key.toLowerCase() === 'w') this.studio.speech.stop();
  }

  /** Returns whether the key was a command. */
  press(event: KeyboardEvent, places: Places): boolean {
    const { studio } = this;
    if (isTyping(event.target)) return false;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) return this.withControl(key, event.shiftKey, places);
    if (event.altKey) return false;
    if (studio.draft && places.stage?.tool.key(event.key)) {
      places.stage.redraw();
      return true;
    }
    return this.named(key, event.target) || (this.single && this.letter(key, places, event.repeat));
  }

  private withControl(key: string, shift: boolean, places: Places): boolean {
    const { studio } = this;
    if (key === 'z') shift ? studio.redo() : studio.undo();
    else if (key === 'y') studio.redo();
    else if (key === 'o') places.open();
    else if (key === 's' || key === 'e') places.export();
    else if (key === 'a') studio.objects.select(studio.objects.all.map(({ id }) => id));
    else return false;
    return true;
  }

  private named(key: string, target: EventTarget | null): boolean {
    const { studio } = this;
    if (key === 'Enter' && !isControl(target)) {
      if (!studio.suggestions.acceptActive()) studio.objects.activate(null);
    } else if (key === ' ' && !isControl(target) && studio.suggestions.list.length > 0)
      studio.suggestions.next();
    else if (key === 'Delete') studio.objects.removeChosen();
    else if (key === 'Escape') studio.objects.activate(null);
    else if (key === 'PageUp') studio.pictures.step(-1);
    else if (key === 'PageDown') studio.pictures.step(1);
    else return false;
    return true;
  }

  private letter(key: string, places: Places, repeated: boolean): boolean {
    const { studio } = this;
    const tool = TOOL_OF_KEY.get(key);
    if (tool && studio.pictures.current) studio.tool = tool;
    else if (key === 'n') studio.objects.activate(null);
    else if (key === 'g') studio.dialogue.setGranularity(after(GRANULARITIES, studio.dialogue.granularity));
    else if (key === 'm') studio.objects.merge();
    else if (key === 'd') studio.objects.split();
    else if (key === 'h') this.toggleVisible();
    else if (key === 'o') studio.objects.copyToNext();
    else if (key === 'j') studio.reviews.next();
    else if (key === 'q') void studio.reviews.finish();
    else if (key === 'k' || key === '/') places.palette();
    else if (key === 'w') {
      if (!repeated) void studio.speech.start();
    } else if (key === '[') studio.sizeBrush(1 / 1.25);
    else if (key === ']') studio.sizeBrush(1.25);
    else if (key === '+' || key === '=') places.stage?.zoom(1.4);
    else if (key === '-') places.stage?.zoom(1 / 1.4);
    else if (key === '0') places.stage?.fit();
    else if (/^[1-9]$/.test(key)) studio.classes.chooseAt(Number(key));
    else if (key === '?') places.help();
    else return false;
    return true;
  }

  private toggleVisible(): void {
    const { studio } = this;
    const ids = new Set(studio.objects.chosen.map(({ id }) => id));
    const shown = studio.objects.chosen.some(({ visible }) => visible);
    if (ids.size > 0) studio.objects.changeAll(({ id }) => (ids.has(id) ? { visible: !shown } : null));
  }
}

function after<T>(list: readonly T[], item: T): T {
  return list[(list.indexOf(item) + 1) % list.length];
}

/** Enter and Space press it. */
function isControl(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest('button, a, summary, select, input, label, [role=option]') !== null
  );
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement)
    return !['range', 'color', 'checkbox', 'radio', 'file'].includes(target.type);
  return (
    target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement || target.isContentEditable
  );
}
