import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { evaluate } from '@fledge/evaluation';

/** A case for every evaluator: `expected` says all of the answer but its message, which is each evaluator's own. */
type Vector = {
  readonly name: string;
  readonly snapshot: Parameters<typeof evaluate>[0];
  readonly flag: string;
  readonly context: Parameters<typeof evaluate>[2];
  readonly now: number;
  readonly type?: Parameters<typeof evaluate>[4];
  readonly expected: object;
};

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- too large to be inferred, and broken on purpose
const vectors = JSON.parse(readFileSync(new URL('vectors/evaluations.json', import.meta.url), 'utf8')) as Vector[];

describe('evaluations', () => {
  it.each(vectors)('$name', ({ snapshot, flag, context, now, type, expected }) => {
    const { errorMessage, ...answer } = evaluate(snapshot, flag, context, now, type);
    expect(answer).toStrictEqual(expected);
    expect(typeof errorMessage).toBe(answer.reason === 'ERROR' ? 'string' : 'undefined');
  });
});
