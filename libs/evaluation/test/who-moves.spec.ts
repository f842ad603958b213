import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEvaluator, whoMoves, whoMovesText } from '@fledge/evaluation';
import type { Condition, Flag, Movement, Rule, Serve } from '@fledge/evaluation';
import { flagOf, snapshotOf } from './support/documents.js';

const none = { flags: {}, cohorts: {} };
const DE: Condition = { attribute: 'country', operator: 'in', values: ['DE'] };
const FR: Condition = { attribute: 'country', operator: 'in', values: ['FR'] };
const PRO: Condition = { attribute: 'plan', operator: 'in', values: ['pro'] };

const rule = (id: string, part: Partial<Rule> = {}): Rule => ({ id, conditions: [], serve: { variant: 'b' }, ...part });
const gate = (percentage: number, part: object = {}): Flag =>
  flagOf({ rules: [rule('r', { gate: { percentage, ...part } })] });
const split = (weights: Readonly<Record<string, number>>): Serve => ({
  split: Object.entries(weights).map(([variant, weight]) => ({ variant, weight })),
});

function everyone(before: Flag, after: Flag): Movement {
  const result = whoMoves(before, after, none).everyone;
  if (result === null) throw new Error('no conditions are in force');
  return result;
}

describe('whoMoves', () => {
  it('shows that a growing gate moves nobody but those it adds', () => {
    const { moved, minimum, moves, variants, matrix, switched } = everyone(gate(25), gate(50));
    expect(minimum).toBeCloseTo(0.25, 6);
    expect(Math.abs(moved.share - 0.25)).toBeLessThan(moved.error);
    expect(moves.map(({ from, to }) => [from, to])).toEqual([['a', 'b']]);
    expect(variants).toEqual(['a', 'b']);
    expect(matrix.flat().reduce((sum, units) => sum + units, 0)).toBe(100_000);
    expect(switched.units).toBe(0);
  });

  it('is exact for its synthetic units', () => {
    const serve = fc.oneof(
      fc.constantFrom<Serve>({ variant: 'a' }, { variant: 'c' }),
      fc.record({ b: fc.nat({ max: 9 }), c: fc.integer({ min: 1, max: 9 }) }).map(split),
    );
    const rules = fc.array(
      fc.record({
        percentage: fc.nat({ max: 100 }),
        salt: fc.constantFrom('s', 't'),
        otherwise: fc.option(fc.constant('c')),
        serve,
      }),
      { maxLength: 3 },
    );
    const flag = fc.record({ rules, fallthrough: fc.option(serve) }).map(({ rules: all, fallthrough }) =>
      flagOf({
        fallthrough,
        rules: all.map(({ otherwise, serve: served, ...draw }, index) =>
          rule(`r${index}`, { gate: { ...draw, ...(otherwise !== null && { otherwise }) }, serve: served }),
        ),
      }),
    );
    fc.assert(
      fc.property(flag, flag, (before, after) => {
        const sample = 2_000;
        const [from, to] = [createEvaluator(snapshotOf([before])), createEvaluator(snapshotOf([after]))];
        const variant = (evaluator: typeof from, targetingKey: string): string | undefined =>
          evaluator.evaluate('flag', { targetingKey }, 0).variant;
        const units = Array.from({ length: sample }, (_, index) => `sample-${index}`);
        const moved = units.filter((unit) => variant(from, unit) !== variant(to, unit)).length;
        const result = whoMoves(before, after, none, sample).everyone;
        expect(result?.moved.units).toBe(moved);
        expect(result?.minimum ?? 2).toBeLessThan((result?.moved.share ?? 0) + 0.1);
      }),
      { numRuns: 30 },
    );
  });

  it('moves 37.5 % when a gate of 25 % becomes a split, and proposes to leave it', () => {
    const after = flagOf({ rules: [rule('r', { serve: split({ b: 25, a: 75 }) })] });
    const result = whoMoves(gate(25), after, none);
    expect(result.everyone?.moved.share).toBeCloseTo(0.375, 2);
    expect(result.everyone?.minimum).toBeCloseTo(0, 6);
    expect(result.rules[0]?.lighter).toMatchObject({ variant: null, moved: 0 });
  });

  it('proposes to keep the gate and split inside it when a treatment is added', () => {
    const after = flagOf({ rules: [rule('r', { serve: split({ b: 1, c: 1, a: 6 }) })] });
    const { lighter } = whoMoves(gate(25), after, none).rules[0] ?? {};
    expect(lighter).toMatchObject({
      text: 'keep the gate and split inside it',
      variant: 'c',
      serve: split({ b: 50_000, c: 50_000 }),
    });
    expect(lighter?.moved).toBeCloseTo(0.125, 2);
  });

  it('proposes to keep the salt', () => {
    const { lighter } = whoMoves(gate(25), gate(30, { salt: 'other' }), none).rules[0] ?? {};
    expect(lighter?.moved).toBeCloseTo(0.05, 2);
  });

  const reweighted = (
    before: Readonly<Record<string, number>>,
    after: Readonly<Record<string, number>>,
    more: Partial<Flag> = {},
  ) => whoMoves(flagOf({ ...more, fallthrough: split(before) }), flagOf({ ...more, fallthrough: split(after) }), none);

  it('proposes to change one weight alone', () => {
    const { everyone: moves, rules } = reweighted({ a: 5, b: 5, c: 90 }, { a: 5, b: 40, c: 55 });
    expect(rules.at(-1)?.lighter).toMatchObject({ variant: 'b', share: 0.4 });
    expect(rules.at(-1)?.lighter?.moved).toBeLessThan(moves?.moved.share ?? 0);
  });

  it('proposes nothing that would give another growing variant less', () => {
    for (const [before, after] of [
      [
        { a: 33, b: 33, c: 34 },
        { a: 20, b: 40, c: 40 },
      ],
      [
        { a: 10, b: 10, c: 80 },
        { a: 20, b: 20, c: 60 },
      ],
    ] as const) {
      const { everyone: moves, rules } = reweighted(before, after);
      expect((moves?.moved.share ?? 1) / (moves?.minimum ?? 1)).toBeLessThan(1.05);
      expect(rules.at(-1)).not.toHaveProperty('lighter');
    }
  });

  it('counts apart those who go from one treatment to another', () => {
    const before = flagOf({ rules: [rule('r', { gate: { percentage: 50 }, serve: { variant: 'b' } })] });
    const after = flagOf({ rules: [rule('r', { gate: { percentage: 50 }, serve: { variant: 'c' } })] });
    const { switched, moved } = everyone(before, after);
    expect(switched).toEqual(moved);
    expect(switched.share).toBeCloseTo(0.5, 2);
  });

  it('counts who goes between treatments when one of them outgrows what everyone else gets', () => {
    const { everyone: moves } = reweighted({ a: 20, b: 20, c: 60 }, { a: 20, b: 45, c: 35 });
    const between = moves?.moves.find(({ from, to }) => from === 'a' && to === 'b');
    expect(between?.units).toBeGreaterThan(0);
    expect(moves?.switched.units).toBe(between?.units);
    const off = reweighted({ a: 1, b: 8, c: 1 }, { a: 3, b: 3, c: 4 }, { offVariant: 'c' }).everyone;
    const fromB = off?.moves.find(({ from, to }) => from === 'b' && to === 'a');
    expect(off?.switched.units).toBe(fromB?.units);
  });

  it('knows what everyone else gets where a rule decides all of them', () => {
    const [before, after] = [
      { a: 10, b: 10, c: 80 },
      { a: 20, b: 20, c: 60 },
    ].map((weights) => flagOf({ rules: [rule('r', { serve: split(weights) })], fallthrough: null }));
    if (before === undefined || after === undefined) throw new Error('there are two');
    expect(everyone(before, after).switched.units).toBe(0);
    const { moved, switched } = everyone(gate(10, { otherwise: 'c' }), gate(30, { otherwise: 'c' }));
    expect([moved.units > 0, switched.units]).toEqual([true, 0]);
  });

  it('answers for audiences when conditions are in force, and for everyone when none are', () => {
    const before = flagOf({ rules: [rule('germany', { conditions: [DE], gate: { percentage: 25 } })] });
    const after = flagOf({
      rules: [rule('germany', { conditions: [DE], gate: { percentage: 50 } }), rule('pro', { conditions: [PRO] })],
    });
    const result = whoMoves(before, after, none);
    expect(result.everyone).toBeNull();
    expect(result.audiences.map(({ meets, movement }) => [meets, Math.round(movement.moved.share * 100)])).toEqual([
      [[], 0],
      [['country in "DE"'], 25],
      [['plan in "pro"'], 100],
      [['country in "DE"', 'plan in "pro"'], 75],
    ]);
    expect(
      result.rules.map(({ rule: id, movement }) => [id, Math.round((movement?.moved.share ?? NaN) * 100)]),
    ).toEqual([
      ['germany', 25],
      ['pro', 100],
      [null, 0],
    ]);
  });

  it('knows that conditions imply and exclude each other', () => {
    const flag = flagOf({
      rules: [
        rule('de', { conditions: [DE] }),
        rule('fr', { conditions: [FR] }),
        rule('pro', { conditions: [PRO, DE] }),
      ],
    });
    const { audiences, rules } = whoMoves(flag, flag, none);
    expect(audiences.map(({ meets }) => meets)).toEqual([
      [],
      ['country in "DE"'],
      ['country in "FR"'],
      ['country in "DE"', 'plan in "pro" and country in "DE"'],
    ]);
    expect(rules.find(({ rule: id }) => id === 'pro')?.movement).toBeNull();
  });

  it('tells no audience that cannot be: who meets fewer values, a nearer limit or one cohort of several meets the wider condition', () => {
    const wider: readonly (readonly [narrow: Condition, wide: Condition])[] = [
      [DE, { ...DE, values: ['AT', 'DE'] }],
      [{ cohorts: ['staff'] }, { cohorts: ['staff', 'friends'] }],
      [
        { ...DE, values: ['AT', 'DE'], negate: true },
        { ...DE, negate: true },
      ],
      [
        { attribute: 'age', operator: 'gte', values: [21] },
        { attribute: 'age', operator: 'gte', values: [18] },
      ],
      [
        { attribute: 'app', operator: 'semver_gt', values: ['1.10'] },
        { attribute: 'app', operator: 'semver_gte', values: ['1.9'] },
      ],
    ];
    for (const [narrow, wide] of wider) {
      const [before, after] = [narrow, wide].map((one) => flagOf({ rules: [rule('r', { conditions: [one] })] }));
      if (before === undefined || after === undefined) throw new Error('there are two');
      const { audiences } = whoMoves(before, after, none, 100);
      expect(audiences.map(({ meets, movement }) => [meets.length, movement.moved.share])).toEqual([
        [0, 0],
        [1, 1],
        [2, 0],
      ]);
    }
  });

  it('has an audience for every context', () => {
    const scalar = fc.constantFrom<string | number>(0, 1, 2, '1', '1.0', 'a');
    const values = fc.uniqueArray(scalar, { minLength: 1, maxLength: 3 });
    const operator = fc.constantFrom('in', 'num_eq', 'lt', 'lte', 'gt', 'gte', 'exists');
    const condition = fc
      .record({ attribute: fc.constantFrom('x', 'y'), operator, values, negate: fc.boolean() })
      .map((one): Condition => (one.operator === 'exists' ? { ...one, values: [] } : one));
    const byText = (a = '', b = ''): number => a.localeCompare(b);
    const context = fc.record({ x: scalar, y: scalar }, { requiredKeys: [] });
    fc.assert(
      fc.property(fc.array(condition, { minLength: 1, maxLength: 4 }), context, (conditions, attributes) => {
        const rules = conditions.map((one, index) => rule(`r${index}`, { conditions: [one] }));
        const single = createEvaluator(snapshotOf(rules.map((one) => flagOf({ key: one.id, rules: [one] }))));
        const met = rules.filter(({ id }) => single.evaluate(id, attributes, 0).reason === 'TARGETING_MATCH');
        const { audiences } = whoMoves(flagOf({ rules }), flagOf({ rules }), none, 1);
        const texts = met.map((one) => whoMoves(flagOf({ rules: [one] }), flagOf(), none, 1).rules[0]?.conditions);
        expect(audiences.map(({ meets }) => meets.toSorted(byText))).toContainEqual(
          [...new Set(texts)].toSorted(byText),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('tells at most 64 audiences apart', () => {
    const rules = Array.from({ length: 100 }, (_, index) =>
      rule(`r${index}`, { conditions: [{ attribute: `a${index}`, operator: 'exists', values: [] }] }),
    );
    const { audiences, more } = whoMoves(flagOf({ rules }), flagOf({ rules }), none, 100);
    expect([audiences.length, more]).toEqual([64, true]);
  });

  it('takes prerequisites to hold unless they are edited', () => {
    const prerequisites = [{ flag: 'p', variants: ['a'] }];
    const depends = { flags: { p: flagOf({ key: 'p', rules: [rule('r')] }) } };
    const off = flagOf({ offVariant: 'c', prerequisites });
    expect(whoMoves(off, { ...off, fallthrough: { variant: 'b' } }, depends).everyone?.moved.share).toBe(1);
    const edited = whoMoves(flagOf({ offVariant: 'c' }), off, depends);
    expect(edited.everyone).toBeNull();
    expect(edited.audiences.map(({ movement }) => movement.moved.share)).toEqual([1, 0]);
    expect(
      whoMoves(flagOf({ offVariant: 'c' }), off, { flags: { p: flagOf({ key: 'p' }) } }).everyone?.moved.share,
    ).toBe(0);
    expect(whoMoves(flagOf({ offVariant: 'c' }), off, none).everyone?.moved.share).toBe(1);
  });

  it('buckets each attribute by a stream of its own', () => {
    const both = flagOf({
      rules: [
        rule('r', { gate: { percentage: 50 } }),
        rule('s', { gate: { percentage: 50, bucketBy: 'company' }, serve: { variant: 'c' } }),
      ],
    });
    const { moves } = everyone(flagOf(), both);
    expect(moves.map(({ to, share }) => [to, Math.round(share * 100)])).toEqual([
      ['b', 50],
      ['c', 25],
    ]);
  });

  it('is told in words, a line each', () => {
    const lines = (before: Flag, after: Flag): string[] => whoMovesText(whoMoves(before, after, none)).split('\n');
    expect(lines(gate(25), gate(25))).toEqual([
      'everyone: nobody moves',
      'r, of those it is for: nobody moves',
      'whom no rule is for: there can be nobody',
    ]);
    const [before, after] = [flagOf({ fallthrough: null }), flagOf({ fallthrough: { variant: 'b' } })];
    expect(lines(before, after)).toEqual(
      ['everyone', 'whom no rule is for'].flatMap((who) => [
        `${who}: 100 % ± 0 % move, at least 100 % have to: the caller's default → b 100 %`,
        `${who}: nobody goes from one treatment to another`,
      ]),
    );
    const [five, forty] = [
      { a: 5, b: 5, c: 90 },
      { a: 5, b: 40, c: 55 },
    ].map((weights) => flagOf({ fallthrough: split(weights) }));
    if (five === undefined || forty === undefined) throw new Error('there are two');
    expect(lines(five, forty).slice(0, 2)).toEqual([
      'everyone: 36.69 % ± 0.3 % move, at least 35 % have to: c → b 34.11 %, a → b 1.33 %, c → a 1.26 %',
      'everyone: 1.33 % ± 0.07 % go from one treatment to another',
    ]);
    expect(lines(five, forty).at(-1)).toBe(
      'whom no rule is for: lighter: keep the split and change the weight of b alone, which moves 35.41 % instead',
    );
  });

  it('tells a rule whose conditions are edited twice, by whom it is for', () => {
    const [before, after] = [DE, FR].map((one) => flagOf({ rules: [rule('r', { conditions: [one] })] }));
    if (before === undefined || after === undefined) throw new Error('there are two');
    const lines = whoMovesText(whoMoves(before, after, none, 100)).split('\n');
    expect(lines.filter((line) => line.includes('→'))).toEqual([
      'r (country in "FR"): 100 % ± 0 % move, at least 100 % have to: a → b 100 %',
      'r (country in "DE"): 100 % ± 0 % move, at least 100 % have to: b → a 100 %',
    ]);
  });

  it('is the same at every call', () => {
    expect(whoMoves(gate(25), gate(50), none)).toEqual(whoMoves(gate(25), gate(50), none));
  });
});
