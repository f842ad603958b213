import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bucket, createEvaluator, exponential, logTable, murmur3, threshold } from '@fledge/evaluation';
import type { Evaluator, Flag, Serve } from '@fledge/evaluation';

/** The vectors are language-neutral: every other evaluator runs the same files. */
function vectors<T>(name: string): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the files are ours
  return JSON.parse(readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}

const units = Array.from({ length: 10_000 }, (_, index) => `user-${index}`);

function evaluatorOf(part: Partial<Flag>, variants: readonly string[]): Evaluator {
  const flag: Flag = {
    key: 'flag',
    type: 'string',
    enabled: true,
    variants: Object.fromEntries(variants.map((variant) => [variant, variant])),
    offVariant: null,
    prerequisites: [],
    rules: [],
    fallthrough: null,
    ...part,
  };
  return createEvaluator({ project: 'p', environment: 'e', version: 1, flags: { flag }, cohorts: {} });
}

function served(evaluator: Evaluator): (string | null)[] {
  return units.map((targetingKey) => evaluator.evaluate('flag', { targetingKey }, 0).variant ?? null);
}

describe('bucketing, version 1', () => {
  it('hashes texts as the vectors do', () => {
    for (const { text, hash } of vectors<{ text: string; hash: number }[]>('murmur3')) expect(murmur3(text)).toBe(hash);
  });

  it('places units as the vectors do', () => {
    for (const vector of vectors<{ unit: string; salt: string; bucket: number }[]>('buckets'))
      expect(bucket(vector.unit, vector.salt), `${vector.unit} under ${vector.salt}`).toBe(vector.bucket);
  });

  it('turns percentages into thresholds as the vectors do', () => {
    for (const vector of vectors<{ parts: number; threshold: number }[]>('thresholds'))
      expect(threshold(vector.parts / 1000)).toBe(vector.threshold);
  });

  it('lets the units of the vectors through gates', () => {
    type Vector = { salt: string; parts: number; admitted: number; firstFive: string[] };
    for (const { salt, parts, admitted, firstFive } of vectors<Vector[]>('gates')) {
      const gate = { percentage: parts / 1000, salt };
      const variants = served(
        evaluatorOf({ rules: [{ id: 'r', conditions: [], gate, serve: { variant: 'in' } }] }, ['in']),
      );
      const inside = units.filter((_, index) => variants[index] === 'in');
      expect([inside.length, inside.slice(0, 5)], `${salt} at ${parts}`).toEqual([admitted, firstFive]);
    }
  });

  it('computes the logarithm table and exponentials of the vectors', () => {
    expect([...logTable()]).toEqual(vectors<number[]>('log-table'));
    for (const vector of vectors<{ hash: number; exponential: number }[]>('exponentials'))
      expect(exponential(vector.hash)).toBe(vector.exponential);
  });

  it('splits units as the vectors do', () => {
    type Weights = { variant: string; weight: number }[];
    type Vector = { salt: string; weights: Weights; counts: Record<string, number>; firstTwenty: (string | null)[] };
    for (const { salt, weights, counts, firstTwenty } of vectors<Vector[]>('splits')) {
      const fallthrough: Serve = { split: weights, salt };
      const variants = served(
        evaluatorOf(
          { fallthrough },
          weights.map(({ variant }) => variant),
        ),
      );
      expect(variants.slice(0, 20)).toEqual(firstTwenty);
      for (const [variant, count] of Object.entries(counts))
        expect(variants.filter((one) => one === variant).length, variant).toBe(count);
    }
  });
});
