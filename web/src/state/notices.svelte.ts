// Short messages to the user; the last one is also read out.

export interface NoticeAction {
  readonly text: string;
  readonly run: () => void;
}

export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
  readonly actions: readonly NoticeAction[];
}

const STAYS_MS = 7000;

export class Notices {
  list = $state.raw<readonly Notice[]>([]);
  /** What a screen reader says. */
  spoken = $state('');
  private count = 0;

  show(text: string, bad = false, actions: readonly NoticeAction[] = []): void {
    const notice = { id: ++this.count, text, bad, actions };
    this.list = [...this.list.filter((other) => other.text !== text), notice].slice(-3);
    this.spoken = text;
    if (actions.length === 0) setTimeout(() => this.close(notice.id), STAYS_MS);
  }

  say(text: string): void {
    this.spoken = text;
  }

  close(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
