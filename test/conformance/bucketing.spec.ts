import { describe, expect, it } from 'vitest';
import { bucket, createEvaluator, exponential, logTable, murmur3, threshold } from '@fledge/evaluation';
import type { Evaluator, Flag } from '@fledge/evaluation';
import buckets from './vectors/buckets.json' with { type: 'json' };
import exponentials from './vectors/exponentials.json' with { type: 'json' };
import gates from './vectors/gates.json' with { type: 'json' };
import logarithms from './vectors/log-table.json' with { type: 'json' };
import hashes from './vectors/murmur3.json' with { type: 'json' };
import splits from './vectors/splits.json' with { type: 'json' };
import thresholds from './vectors/thresholds.json' with { type: 'json' };

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

function count(variants: readonly (string | null)[], variant: string): number {
  return variants.filter((one) => one === variant).length;
}

describe('bucketing, version 1', () => {
  it('hashes texts as the vectors do', () => {
    expect(hashes.map(({ text }) => ({ text, hash: murmur3(text) }))).toEqual(hashes);
  });

  it('places units as the vectors do', () => {
    expect(buckets.map(({ unit, salt }) => ({ unit, salt, bucket: bucket(unit, salt) }))).toEqual(buckets);
  });

  it('turns percentages into thresholds as the vectors do', () => {
    expect(thresholds.map(({ parts }) => ({ parts, threshold: threshold(parts / 1000) }))).toEqual(thresholds);
  });

  it('computes the logarithm table and the exponentials of the vectors', () => {
    expect([...logTable()]).toEqual(logarithms);
    expect(exponentials.map(({ hash }) => ({ hash, exponential: exponential(hash) }))).toEqual(exponentials);
  });

  it.each(gates)('lets the units of the vectors through the gate of $salt at $parts', (vector) => {
    const gate = { percentage: vector.parts / 1000, salt: vector.salt };
    const rule = { id: 'r', conditions: [], gate, serve: { variant: 'in' } };
    const variants = served(evaluatorOf({ rules: [rule] }, ['in']));
    const inside = units.filter((_, index) => variants[index] === 'in');
    expect({ admitted: inside.length, firstFive: inside.slice(0, 5) }).toEqual({
      admitted: vector.admitted,
      firstFive: vector.firstFive,
    });
  });

  it.each(splits)('splits the units of the vectors by $salt into $counts', ({ salt, weights, counts, firstTwenty }) => {
    const keys = weights.map(({ variant }) => variant);
    const variants = served(evaluatorOf({ fallthrough: { split: weights, salt } }, keys));
    expect(variants.slice(0, 20)).toEqual(firstTwenty);
    expect(Object.fromEntries(keys.map((key) => [key, count(variants, key)]))).toEqual(counts);
  });
});
