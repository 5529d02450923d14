// Questions that are asked before something is done; the answer is one of the choices, or null for none of them.

export interface Choice {
  readonly value: string;
  readonly text: string;
}

export interface Question {
  readonly title: string;
  readonly text: string;
  readonly choices: readonly Choice[];
  readonly answer: (value: string | null) => void;
}

export class Questions {
  open = $state.raw<Question | null>(null);

  ask(title: string, text: string, choices: readonly Choice[]): Promise<string | null> {
    this.open?.answer(null);
    return new Promise((resolve) => {
      const answer = (value: string | null): void => {
        this.open = null;
        resolve(value);
      };
      this.open = { title, text, choices, answer };
    });
  }
}
