// What the page and the decoder's worker say to each other.

import type { Size } from '../geometry.ts';
import type { Rings } from '../masks/outline.ts';
import type { Granularity, Placed } from '../prompts/types.ts';
import type { Answer, Known } from './round.ts';

export interface Start {
  readonly kind: 'start';
  readonly model: string;
  /** Where the networks are, but for one. */
  readonly bundle: string;
  /** Where the network is that draws borders anew; null where the model has none. */
  readonly retouch: string | null;
  /** Where the numbers are that choose among the masks of a click; null where the model has none. */
  readonly choice: string | null;
  readonly headers: Record<string, string>;
  readonly threads: number;
}

export interface Open {
  readonly kind: 'open';
  readonly image: string;
  readonly size: Size;
}

export interface Ask {
  readonly kind: 'preview' | 'round';
  /** Of a preview: whether it takes its time. */
  readonly fine?: boolean;
  readonly image: string;
  readonly before: Known | null;
  readonly prompts: readonly Placed[];
  readonly granularity: Granularity;
}

export type Request = (Start | Open | Ask) & { readonly id: number };

/** The outline a mask would have, drawn from logits without enlarging them. */
export interface Preview {
  readonly rings: Rings;
  readonly score: number;
  /** Whether it was drawn from few logits, and a finer one can be had. */
  readonly coarse: boolean;
}

export interface Round extends Answer {
  readonly rings: Rings;
}

export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
  /** It went wrong because the server could not be reached. */
  readonly offline?: boolean;
}
