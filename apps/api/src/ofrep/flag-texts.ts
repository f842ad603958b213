import { hash as digest } from 'node:crypto';
import type { Evaluation } from '@fledge/evaluation';
import { toEvaluated } from './evaluated.js';

/** JSON, and four integers of 32 bits that tell it from every other text; those of several texts may be added up. */
export type Text = {
  readonly json: string;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
};

/** A flag has few answers; so many mean that its document has changed often. */
const MOST_TEXTS = 64;

/** The answers of one flag, each written once, however many contexts get it. */
export class FlagTexts {
  readonly #key: string;
  /** Answers are shared, so their identity tells them apart. */
  readonly #met = new Map<Evaluation, Text>();
  readonly #byJson = new Map<string, Text>();

  constructor(key: string) {
    this.#key = key;
  }

  of(evaluation: Evaluation): Text {
    return this.#met.get(evaluation) ?? this.#remember(evaluation);
  }

  #remember(evaluation: Evaluation): Text {
    const json = JSON.stringify(toEvaluated(this.#key, evaluation));
    const text = this.#byJson.get(json) ?? write(json);
    if (this.#byJson.size >= MOST_TEXTS) this.#byJson.clear();
    this.#byJson.set(json, text);
    if (isSingular(evaluation)) return text;
    if (this.#met.size >= MOST_TEXTS) this.#met.clear();
    this.#met.set(evaluation, text);
    return text;
  }
}

/** Whether an answer says something of one context alone: it is made anew for each and never met again. */
export const isSingular = ({ metadata: { unitMissing, prerequisiteFailed }, reason }: Evaluation): boolean =>
  unitMissing !== undefined || prerequisiteFailed !== undefined || reason === 'ERROR';

function write(json: string): Text {
  const bytes = digest('sha256', json, 'buffer');
  const [a, b, c, d] = [bytes.readInt32LE(0), bytes.readInt32LE(4), bytes.readInt32LE(8), bytes.readInt32LE(12)];
  return { json, a, b, c, d };
}
