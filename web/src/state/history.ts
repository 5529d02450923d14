// Undo and redo over immutable values.

const LONGEST = 300;

export class History<T> {
  private readonly states: T[];
  private at = 0;

  constructor(first: T) {
    this.states = [first];
  }

  get now(): T {
    return this.states[this.at];
  }

  get canUndo(): boolean {
    return this.at > 0;
  }

  get canRedo(): boolean {
    return this.at + 1 < this.states.length;
  }

  push(state: T): void {
    this.states.splice(this.at + 1, Infinity, state);
    if (this.states.length > LONGEST) this.states.shift();
    this.at = this.states.length - 1;
  }

  /** Replaces the present without a step of its own: for changes that are one with the one before. */
  amend(state: T): void {
    this.states[this.at] = state;
  }

  /** Changes every state alike: for what somebody else did meanwhile, which undo is not to take back. */
  rebase(change: (state: T) => T): void {
    for (const [place, state] of this.states.entries()) this.states[place] = change(state);
  }

  undo(): T {
    this.at = Math.max(0, this.at - 1);
    return this.now;
  }

  redo(): T {
    this.at = Math.min(this.states.length - 1, this.at + 1);
    return this.now;
  }
}
