import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucket, createEvaluator, group, threshold } from '@fledge/evaluation';
import type { Flag, Rule } from '@fledge/evaluation';
import { flagOf, snapshotOf } from './support/documents.js';

const UNITS = 100_000;
const units = Array.from({ length: UNITS }, (_, index) => `user-${index}`);

function served(part: Partial<Flag>, some: readonly string[] = units): (string | undefined)[] {
  const flag = flagOf({ variants: { a: 'A', b: 'B', c: 'C', d: 'D', e: 'E' }, ...part });
  const evaluator = createEvaluator(snapshotOf([flag]));
  return some.map((targetingKey) => evaluator.evaluate(flag.key, { targetingKey }, 0).variant);
}

function split(weights: Readonly<Record<string, number>>, some?: readonly string[]): (string | undefined)[] {
  const shares = Object.entries(weights).map(([variant, weight]) => ({ variant, weight }));
  return served({ fallthrough: { split: shares } }, some);
}

function gate(percentage: number, key = 'flag'): boolean[] {
  const rule: Rule = { id: 'r', conditions: [], gate: { percentage }, serve: { variant: 'b' } };
  return served({ key, rules: [rule] }).map((variant) => variant === 'b');
}

/** The share of units that differ. */
function moved(before: readonly unknown[], after: readonly unknown[]): number {
  return before.filter((variant, index) => variant !== after[index]).length / before.length;
}

function normalised(weights: Readonly<Record<string, number>>): Record<string, number> {
  const sum = Object.values(weights).reduce((total, weight) => total + weight, 0);
  return Object.fromEntries(Object.entries(weights).map(([key, weight]) => [key, weight / sum]));
}

/** The fewest units that any scheme must move: the total variation distance. */
function fewest(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): number {
  const [p, q] = [normalised(before), normalised(after)];
  const keys = [...new Set([...Object.keys(p), ...Object.keys(q)])];
  return keys.reduce((sum, key) => sum + Math.abs((p[key] ?? 0) - (q[key] ?? 0)), 0) / 2;
}

/** The contract's formula for any reweighting: 1 − Σᵢ 1/Σⱼ max(pⱼ/pᵢ, qⱼ/qᵢ). */
function formula(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): number {
  const [p, q] = [normalised(before), normalised(after)];
  const all = [...new Set([...Object.keys(p), ...Object.keys(q)])];
  const stays = all.map((i) => {
    const [pi, qi] = [p[i] ?? 0, q[i] ?? 0];
    return pi === 0 || qi === 0 ? 0 : 1 / all.reduce((sum, j) => sum + Math.max((p[j] ?? 0) / pi, (q[j] ?? 0) / qi), 0);
  });
  return 1 - stays.reduce((sum, one) => sum + one, 0);
}

const standardError = (share: number): number => Math.sqrt((share * (1 - share)) / UNITS);

const anyWeights = fc.record({
  a: fc.integer({ min: 0, max: 100 }),
  b: fc.integer({ min: 0, max: 100 }),
  c: fc.integer({ min: 1, max: 100 }),
});

describe('gates', () => {
  it('keep a unit in when the percentage grows', () => {
    const steps = [0, 0.001, 0.5, 1, 12.345, 25, 33.333, 50, 66.667, 99, 99.999, 100].map((percentage) =>
      gate(percentage),
    );
    for (const [index, step] of steps.slice(1).entries())
      expect(units.filter((_, unit) => steps[index]?.[unit] && !step[unit])).toEqual([]);
  });

  it('let in their percentage', () => {
    for (const percentage of [0.5, 5, 25, 50, 99]) {
      const share = gate(percentage).filter(Boolean).length / UNITS;
      expect(Math.abs(share - percentage / 100)).toBeLessThan(4 * standardError(percentage / 100));
    }
  });

  it('of two flags are independent', () => {
    const [one, other] = [gate(50, 'one'), gate(50, 'other')];
    const both = units.filter((_, unit) => one[unit] && other[unit]).length / UNITS;
    expect(Math.abs(both - 0.25)).toBeLessThan(4 * standardError(0.25));
  });

  it('and splits of one flag are independent', () => {
    const inside = gate(50);
    const variants = split({ a: 1, b: 1 });
    const both = units.filter((_, unit) => inside[unit] && variants[unit] === 'a').length / UNITS;
    expect(Math.abs(both - 0.25)).toBeLessThan(4 * standardError(0.25));
  });

  it('have thresholds that grow with the percentage', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 99_999 }), (parts) => {
        expect(threshold(parts / 1000)).toBeLessThan(threshold((parts + 1) / 1000));
        expect(threshold(parts / 1000)).toBe(Number((BigInt(parts) * 2n ** 32n) / 100_000n));
      }),
    );
  });
});

describe('buckets', () => {
  it('are uniform (chi-square over 256 cells)', () => {
    for (const salt of ['flag', 'other', '']) {
      const cells = Array.from({ length: 256 }, () => 0);
      for (const unit of units) {
        const cell = bucket(unit, salt) >>> 24;
        cells[cell] = (cells[cell] ?? 0) + 1;
      }
      const expected = UNITS / 256;
      const statistic = cells.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      // 255 degrees of freedom: the mean is 255, the standard deviation 22.6; beyond 340 one in 3,000.
      expect(statistic).toBeGreaterThan(180);
      expect(statistic).toBeLessThan(340);
    }
  });

  it('fall into 64 groups independent of the bucket itself', () => {
    const low = units.filter((unit) => bucket(unit, 'flag') < threshold(1));
    const seen = new Set(low.map((unit) => group(bucket(unit, 'flag'))));
    expect(seen.size).toBe(64);
  });
});

describe('splits', () => {
  it('give every variant its share', () => {
    const weights = { a: 33, b: 33, c: 34 };
    const variants = split(weights);
    for (const [key, share] of Object.entries(normalised(weights))) {
      const got = variants.filter((variant) => variant === key).length / UNITS;
      expect(Math.abs(got - share)).toBeLessThan(4 * standardError(share));
    }
  });

  it('do not depend on the order of variants, nor on the scale of weights', () => {
    const some = units.slice(0, 2_000);
    fc.assert(
      fc.property(anyWeights, fc.integer({ min: 1, max: 1_000 }), ({ a, b, c }, scale) => {
        const variants = split({ a, b, c }, some);
        expect(split({ c, b, a }, some)).toEqual(variants);
        expect(split({ a: a * scale, b: b * scale, c: c * scale }, some)).toEqual(variants);
      }),
      { numRuns: 20 },
    );
  });

  it.each([
    ['a new variant', { a: 1, b: 1, c: 1 }, { a: 1, b: 1, c: 1, d: 1 }],
    ['a variant that goes', { a: 20, b: 30, c: 50 }, { a: 20, b: 30 }],
    ['a variant that grows', { a: 20, b: 40, c: 40 }, { a: 60, b: 40, c: 40 }],
    ['a variant that shrinks', { a: 50, b: 25, c: 25 }, { a: 5, b: 25, c: 25 }],
    ['25 % that become half', { a: 25, b: 75 }, { a: 50, b: 50 }],
  ])('move the fewest possible units for %s', (_, before, after) => {
    const minimum = fewest(before, after);
    const share = moved(split(before), split(after));
    expect(share).toBeLessThan(1.02 * minimum + 3 * standardError(minimum));
  });

  it('move at most 1.05 times the minimum from 33/33/34 to 20/40/40', () => {
    const [before, after] = [
      { a: 33, b: 33, c: 34 },
      { a: 20, b: 40, c: 40 },
    ];
    expect(moved(split(before), split(after))).toBeLessThan(1.05 * fewest(before, after));
  });

  it('move for any reweighting what the formula says, within half a percentage point', () => {
    fc.assert(
      fc.property(anyWeights, anyWeights, (before, after) => {
        expect(Math.abs(moved(split(before), split(after)) - formula(before, after))).toBeLessThan(0.005);
      }),
      { numRuns: 8 },
    );
  });
});
