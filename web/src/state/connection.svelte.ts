// Whether the server can be reached. While it cannot, one line says so, work is kept here, and it is looked for.

const LOOK_MS = 1500;

export class Connection {
  away = $state(false);
  private waiting: (() => void)[] = [];

  /** @param back - what is to be done when the server is there again. */
  constructor(private readonly back: () => void) {}

  /** The server did not answer. */
  lose(): void {
    if (this.away) return;
    this.away = true;
    void this.look();
  }

  /** Resolves once the server can be reached. */
  returned(): Promise<void> {
    return this.away ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve();
  }

  private async look(): Promise<void> {
    do await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    while (!(await answers()));
    this.away = false;
    const { waiting } = this;
    this.waiting = [];
    for (const resolve of waiting) resolve();
    this.back();
  }
}

async function answers(): Promise<boolean> {
  try {
    return (await fetch('/healthz', { cache: 'no-store' })).ok;
  } catch {
    return false;
  }
}
