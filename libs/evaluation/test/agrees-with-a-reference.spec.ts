import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEvaluator, murmur3 } from '@fledge/evaluation';
import { anyContext, anySnapshot } from './support/arbitraries.js';
import { reference, referenceHash } from './support/reference.js';

const NOW = 1_795_428_000_000;

describe('the evaluator and a naive second implementation', () => {
  it('agree on every flag of any snapshot for any context', () => {
    fc.assert(
      fc.property(anySnapshot, fc.array(anyContext, { minLength: 1, maxLength: 5 }), (snapshot, contexts) => {
        const evaluator = createEvaluator(snapshot);
        for (const context of contexts) {
          const expected = reference(snapshot, context, NOW);
          for (const key of [...Object.keys(snapshot.flags), 'missing']) {
            const { errorMessage: _, ...answer } = evaluator.evaluate(key, context, NOW);
            expect(answer).toStrictEqual(expected(key));
          }
        }
      }),
      { numRuns: 250 },
    );
  });

  it('agree on the hash of any text, lone surrogates included', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
        (one, other) => {
          for (const text of [one, other, `${one}${other}`]) expect(BigInt(murmur3(text))).toBe(referenceHash(text));
        },
      ),
      { numRuns: 100 },
    );
  });
});
