import { describe, expect, it } from 'vitest';
import {
  DEFAULT_DOCUMENT_LIMITS,
  validateCohort,
  validateDefinition,
  validateFlag,
  validateJson,
  validateMembers,
} from '@fledge/evaluation';
import type { Condition, DocumentLimits, Flag, Problem, Rule } from '@fledge/evaluation';
import { cohortOf, flagOf } from './support/documents.js';

const none = { flags: {}, cohorts: {} };

/** Where and what, without the words. */
const codes = (problems: readonly Problem[]): string[] => problems.map(({ pointer, code }) => `${pointer} ${code}`);

const flagProblems = (part: object, surroundings = none, limits?: Partial<DocumentLimits>): string[] =>
  codes(validateFlag({ ...flagOf(), ...part }, surroundings, { ...DEFAULT_DOCUMENT_LIMITS, ...limits }).problems);

const rule = (part: object = {}): object => ({ id: 'r', conditions: [], serve: { variant: 'b' }, ...part });
const ruleProblems = (part: object): string[] => flagProblems({ rules: [rule(part)] });
const conditionProblems = (condition: unknown): string[] => ruleProblems({ conditions: [condition] });
const valueProblems = (operator: string, ...values: unknown[]): string[] =>
  conditionProblems({ attribute: 'x', operator, values });

describe('validateFlag', () => {
  it('accepts a flag that uses everything there is', () => {
    const measure = {
      rollout: 'r',
      epoch: 1,
      canary: 'b',
      baseline: 'a',
      percentage: 5,
      metrics: { errors: { count: 'request' }, latency: { count: 'unit_window', over: 250 } },
    };
    const flag = {
      ...flagOf({
        offVariant: 'a',
        metadata: { jira: 'PAY-7', weight: 3, hot: true },
        prerequisites: [{ flag: 'p', variants: ['a'] }],
      }),
      rules: [
        rule({
          description: 'first',
          enabled: true,
          measure,
          gate: { percentage: 12.345, bucketBy: 'company', salt: '', otherwise: 'c', bucketing: 1 },
        }),
        rule({
          id: 'second',
          conditions: [
            { cohorts: ['k'], negate: true },
            { attribute: 'x', operator: 'exists', values: [] },
          ],
          serve: {
            split: [
              { variant: 'a', weight: 0 },
              { variant: 'b', weight: 100_000 },
            ],
            salt: 's',
          },
        }),
      ],
      fallthrough: null,
      measure,
    };
    const surroundings = { flags: { p: flagOf({ key: 'p' }) }, cohorts: { k: cohortOf({ key: 'k' }) } };
    expect(validateFlag(flag, surroundings).problems).toEqual([]);
  });

  it('finds every problem, never only the first', () => {
    expect(
      flagProblems({
        key: '..',
        type: 'date',
        enabled: 1,
        variants: {},
        offVariant: 'x',
        prerequisites: {},
        rules: null,
        fallthrough: {},
        extra: 1,
      }),
    ).toEqual([
      '/extra unknown_field',
      '/key invalid_key',
      '/type wrong_type',
      '/enabled wrong_type',
      '/variants empty',
      '/offVariant unknown_variant',
      '/prerequisites wrong_type',
      '/rules wrong_type',
      '/fallthrough/variant missing',
    ]);
  });

  it('names what is missing', () => {
    expect(codes(validateFlag({}, none).problems)).toEqual(
      ['key', 'type', 'enabled', 'variants', 'offVariant', 'prerequisites', 'rules', 'fallthrough'].map(
        (name) => `/${name} missing`,
      ),
    );
    for (const document of [null, 5, 'x', []])
      expect(codes(validateFlag(document, none).problems)).toEqual([' wrong_type']);
  });

  it('says what was expected and what came', () => {
    const [problem] = validateFlag(flagOf({ offVariant: 'x' }), none).problems;
    expect(problem).toEqual({
      pointer: '/offVariant',
      code: 'unknown_variant',
      message: 'Expected a variant of this flag (a, b, c); got "x".',
    });
  });

  it('escapes the pointers of RFC 6901', () => {
    expect(flagProblems({ variants: { 'a/b~c': 'A' }, fallthrough: null })).toEqual(['/variants/a~1b~0c invalid_key']);
  });

  it('wants variants of the flag’s type, with keys that differ by more than case', () => {
    expect(flagProblems({ variants: { a: 1, A: 'A', b: null } })).toEqual([
      '/variants/a wrong_type',
      '/variants/A duplicate',
      '/variants/b wrong_type',
    ]);
    expect(flagProblems({ type: 'object', variants: { a: [], b: {}, c: 'x' } })).toEqual(['/variants/c wrong_type']);
    expect(
      flagProblems({ type: 'boolean', variants: { constructor: true }, fallthrough: { variant: 'constructor' } }),
    ).toEqual([]);
    expect(flagProblems({ fallthrough: { variant: 'toString' } })).toEqual(['/fallthrough/variant unknown_variant']);
  });

  it('holds metadata to 20 scalars of 1 KiB and refuses evaluation’s own names', () => {
    const names = ['version', 'ruleId', 'prerequisiteFailed', 'unitMissing', 'rollout', 'epoch', 'arm'];
    expect(flagProblems({ metadata: Object.fromEntries(names.map((name) => [name, 1])) })).toEqual(
      names.map((name) => `/metadata/${name} reserved`),
    );
    expect(flagProblems({ metadata: { a: {}, b: null } })).toEqual([
      '/metadata/a wrong_type',
      '/metadata/b wrong_type',
    ]);
    expect(
      flagProblems({ metadata: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`k${index}`, 1])) }),
    ).toEqual(['/metadata too_many']);
    expect(flagProblems({ metadata: { a: 'ä'.repeat(508) } })).toEqual([]);
    expect(flagProblems({ metadata: { a: 'ä'.repeat(509) } })).toEqual(['/metadata too_large']);
  });

  it('wants the ids of rules to differ', () => {
    expect(
      flagProblems({ rules: [rule(), rule(), rule({ id: '' }), rule({ id: 5 }), rule({ id: 'x'.repeat(101) })] }),
    ).toEqual([
      '/rules/1/id duplicate',
      '/rules/2/id invalid_key',
      '/rules/3/id invalid_key',
      '/rules/4/id invalid_key',
    ]);
  });

  it('refuses fields that nobody knows, wherever they are', () => {
    expect(
      flagProblems({
        rules: [
          rule({
            x: 1,
            gate: { percentage: 1, x: 1 },
            conditions: [
              { attribute: 'a', operator: 'in', values: [], x: 1 },
              { cohorts: [], x: 1 },
            ],
            serve: { variant: 'b', weight: 1 },
          }),
        ],
      }),
    ).toEqual([
      '/rules/0/x unknown_field',
      '/rules/0/conditions/0/x unknown_field',
      '/rules/0/conditions/1/x unknown_field',
      '/rules/0/serve/weight unknown_field',
      '/rules/0/gate/x unknown_field',
    ]);
  });

  it('wants percentages from 0 to 100 with at most three decimals', () => {
    for (const percentage of [0, 100, 0.001, 33.333, 99.999, 12.5, 0.1])
      expect(ruleProblems({ gate: { percentage } })).toEqual([]);
    const code = (percentage: unknown): string[] => ruleProblems({ gate: { percentage } });
    expect(code(-0.001)).toEqual(['/rules/0/gate/percentage out_of_range']);
    expect(code(100.001)).toEqual(['/rules/0/gate/percentage out_of_range']);
    expect(code(12.3456)).toEqual(['/rules/0/gate/percentage too_precise']);
    expect(code('12')).toEqual(['/rules/0/gate/percentage wrong_type']);
    expect(ruleProblems({ gate: {} })).toEqual(['/rules/0/gate/percentage missing']);
    expect(ruleProblems({ gate: null })).toEqual(['/rules/0/gate wrong_type']);
    expect(ruleProblems({ gate: { percentage: 1, bucketing: 2, bucketBy: '', salt: 5, otherwise: 'x' } })).toEqual([
      '/rules/0/gate/bucketBy wrong_type',
      '/rules/0/gate/salt wrong_type',
      '/rules/0/gate/bucketing unknown_bucketing',
      '/rules/0/gate/otherwise unknown_variant',
    ]);
  });

  it('wants splits of known variants, each once, with integer weights', () => {
    const split = (...shares: unknown[]): string[] => ruleProblems({ serve: { split: shares } });
    expect(split({ variant: 'a', weight: 1 }, { variant: 'a', weight: 1 })).toEqual([
      '/rules/0/serve/split/1/variant duplicate',
    ]);
    expect(split({ variant: 'x', weight: 0.5 })).toEqual([
      '/rules/0/serve/split/0/variant unknown_variant',
      '/rules/0/serve/split/0/weight out_of_range',
    ]);
    expect(split({ variant: 'a', weight: 100_001 }, { variant: 'b', weight: -1 }, 'c')).toEqual([
      '/rules/0/serve/split/0/weight out_of_range',
      '/rules/0/serve/split/1/weight out_of_range',
      '/rules/0/serve/split/2 wrong_type',
    ]);
    expect(split()).toEqual(['/rules/0/serve/split empty']);
    expect(ruleProblems({ serve: { variant: 'a', split: [] } })).toContain('/rules/0/serve/variant unknown_field');
    expect(ruleProblems({ serve: { variant: 'a', bucketBy: 'x' } })).toEqual(['/rules/0/serve/bucketBy unknown_field']);
  });

  it('wants operators that exist and values that they can read', () => {
    expect(valueProblems('sounds_like', 'x')).toEqual(['/rules/0/conditions/0/operator unknown_operator']);
    expect(valueProblems('constructor', 'x')).toEqual(['/rules/0/conditions/0/operator unknown_operator']);
    const refused: [string, unknown[]][] = [
      ['in', [null, {}, []]],
      ['contains', [1, null]],
      ['starts_with', [true]],
      ['ends_with', [{}]],
      ['matches', [5, '(a+)+', '(', '\\s', 'a'.repeat(501)]],
      ['num_eq', ['x', '', ' 5', true, '1e999']],
      ['gt', ['0x10']],
      ['before', ['2026-11-23', '2026-02-30T00:00:00Z', '1795428000000', 1.5, true]],
      ['semver_gte', ['1.2.3.4', 1, 'x']],
      ['semver_caret', ['^1.2']],
      ['cidr', ['10.0.0.1', '10.0.0.0/33', '10.0.0/8', 5]],
    ];
    for (const [operator, values] of refused)
      expect(valueProblems(operator, ...values).map((problem) => problem.split(' ')[0])).toEqual(
        values.map((_, index) => `/rules/0/conditions/0/values/${index}`),
      );
    const accepted: [string, unknown[]][] = [
      ['in', ['x', 1, true, '']],
      ['contains', ['']],
      ['matches', ['^a.c$']],
      ['lt', [1, '1.5e3']],
      ['after', ['2026-11-23T10:00:00.123+01:00', 1_795_428_000_000]],
      ['semver_lt', ['v1', '1.2', '2-rc', '1.0.0+b']],
      ['cidr', ['10.0.0.1/32', '::/0']],
      ['exists', []],
      ['in', []],
    ];
    for (const [operator, values] of accepted) expect(valueProblems(operator, ...values)).toEqual([]);
    expect(valueProblems('exists', 1)).toEqual(['/rules/0/conditions/0/values takes_no_values']);
    expect(conditionProblems({ attribute: 'x', operator: 'exists' })).toEqual([]);
    expect(conditionProblems({ attribute: 'x', operator: 'in' })).toEqual(['/rules/0/conditions/0/values missing']);
    expect(conditionProblems({ attribute: '', operator: 'in', values: [], negate: 1, ignoreCase: 'x' })).toEqual([
      '/rules/0/conditions/0/attribute wrong_type',
      '/rules/0/conditions/0/negate wrong_type',
      '/rules/0/conditions/0/ignoreCase wrong_type',
    ]);
  });

  it('asks the further opinion on patterns only for those that the subset allows', () => {
    const asked: string[] = [];
    const opinion = (pattern: string): string | undefined => {
      asked.push(pattern);
      return pattern === 'b' ? 'too slow' : undefined;
    };
    const flag = {
      ...flagOf(),
      rules: [rule({ conditions: [{ attribute: 'x', operator: 'matches', values: ['a', 'b', '(c+)+'] }] })],
    };
    const { problems } = validateFlag(flag, none, DEFAULT_DOCUMENT_LIMITS, opinion);
    expect(codes(problems)).toEqual([
      '/rules/0/conditions/0/values/1 unsafe_pattern',
      '/rules/0/conditions/0/values/2 unsafe_pattern',
    ]);
    expect(problems[0]?.message).toContain('too slow');
    expect(asked).toEqual(['a', 'b']);
  });

  it('refuses references to what does not exist', () => {
    expect(
      flagProblems({
        prerequisites: [
          { flag: 'p', variants: ['a'] },
          { flag: 'constructor', variants: [] },
        ],
      }),
    ).toEqual([
      '/prerequisites/0/flag unknown_flag',
      '/prerequisites/1/flag unknown_flag',
      '/prerequisites/1/variants empty',
    ]);
    expect(conditionProblems({ cohorts: ['k', 'toString', 5] })).toEqual(
      [0, 1, 2].map((index) => `/rules/0/conditions/0/cohorts/${index} unknown_cohort`),
    );
    const surroundings = { flags: { p: flagOf({ key: 'p' }) }, cohorts: {} };
    expect(flagProblems({ prerequisites: [{ flag: 'p', variants: ['a', 'x'] }] }, surroundings)).toEqual([
      '/prerequisites/0/variants/1 unknown_variant',
    ]);
    expect(
      flagProblems(
        {
          prerequisites: [
            { flag: 'p', variants: ['a'] },
            { flag: 'p', variants: ['b'] },
          ],
        },
        surroundings,
      ),
    ).toEqual(['/prerequisites/1/flag duplicate']);
  });

  it('refuses cycles, and chains that are too long', () => {
    const requires = (key: string, flag: string): Flag => flagOf({ key, prerequisites: [{ flag, variants: ['a'] }] });
    const flags = { p: requires('p', 'q'), q: requires('q', 'flag') };
    const { problems } = validateFlag(requires('flag', 'p'), { flags, cohorts: {} });
    expect(problems).toEqual([
      {
        pointer: '/prerequisites/0/flag',
        code: 'cycle',
        message: 'Expected no way back to "flag"; got flag → p → q → flag.',
      },
    ]);
    expect(codes(validateFlag(requires('flag', 'flag'), none).problems)).toEqual(['/prerequisites/0/flag cycle']);
    const chain = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [
        `f${index}`,
        index === 11 ? flagOf({ key: 'f11' }) : requires(`f${index}`, `f${index + 1}`),
      ]),
    );
    const from = (first: string): string[] =>
      codes(validateFlag(requires('flag', first), { flags: chain, cohorts: {} }).problems);
    expect(from('f2')).toEqual([]);
    expect(from('f1')).toEqual(['/prerequisites/0/flag too_deep']);
    const others = { a: requires('a', 'b'), b: requires('b', 'a') };
    expect(codes(validateFlag(requires('flag', 'a'), { flags: others, cohorts: {} }).problems)).toEqual([
      '/prerequisites/0/flag too_deep',
    ]);
  });

  it('holds documents to the limits of the service', () => {
    expect(flagProblems({ rules: [rule(), rule({ id: 's' })] }, none, { rulesPerFlag: 1 })).toEqual([
      '/rules too_many',
    ]);
    const conditions = Array.from({ length: 3 }, () => ({ attribute: 'x', operator: 'in', values: [1, 2] }));
    expect(
      flagProblems({ rules: [rule({ conditions })] }, none, { conditionsPerRule: 2, valuesPerCondition: 2 }),
    ).toEqual(['/rules/0/conditions too_many']);
    expect(flagProblems({ rules: [rule({ conditions })] }, none, { valuesPerCondition: 1 })).toHaveLength(3);
    expect(flagProblems({}, none, { variantsPerFlag: 2 })).toEqual(['/variants too_many']);
    expect(flagProblems({ variants: { a: 'ä'.repeat(9) } }, none, { bytesPerValue: 19 })).toEqual([
      '/variants/a too_large',
    ]);
    expect(flagProblems({ variants: { a: 'ä'.repeat(9) } }, none, { bytesPerValue: 20 })).toEqual([]);
  });

  it('judges the mark of a rollout', () => {
    const measure = {
      rollout: '',
      epoch: 1.5,
      canary: 'x',
      baseline: 'a',
      percentage: 101,
      metrics: { Errors: { count: 'all' } },
      more: 1,
    };
    expect(ruleProblems({ measure })).toEqual(
      [
        'measure/more unknown_field',
        'measure/rollout wrong_type',
        'measure/epoch wrong_type',
        'measure/canary unknown_variant',
        'measure/percentage out_of_range',
        'measure/metrics/Errors invalid_key',
        'measure/metrics/Errors/count out_of_range',
      ].map((problem) => `/rules/0/${problem}`),
    );
  });
});

describe('warnings', () => {
  const DE: Condition = { attribute: 'country', operator: 'in', values: ['DE'] };
  const FR: Condition = { attribute: 'country', operator: 'in', values: ['FR'] };
  const PRO: Condition = { attribute: 'plan', operator: 'in', values: ['pro'] };
  const warnings = (...rules: Partial<Rule>[]): string[] => {
    const all = rules.map((part, index): Rule => ({
      id: `r${index}`,
      conditions: [],
      serve: { variant: 'b' },
      ...part,
    }));
    const { problems, warnings: found } = validateFlag(flagOf({ rules: all }), none);
    expect(problems).toEqual([]);
    return codes(found);
  };

  it('gate_never_admits: an earlier gate of the same place kept out all that this one would let in', () => {
    const never = ['/rules/1/gate/percentage gate_never_admits'];
    expect(warnings({ gate: { percentage: 25 } }, { gate: { percentage: 12.5 } })).toEqual(never);
    expect(warnings({ gate: { percentage: 25 } }, { gate: { percentage: 25 } })).toEqual(never);
    expect(warnings({ conditions: [DE], gate: { percentage: 25 } }, { gate: { percentage: 12.5 } })).toEqual(never);
    expect(
      warnings({ conditions: [DE], gate: { percentage: 25 } }, { conditions: [PRO], gate: { percentage: 12.5 } }),
    ).toEqual(never);
    expect(warnings({ gate: { percentage: 25 } }, { gate: { percentage: 25.001 } })).toEqual([]);
    expect(warnings({ gate: { percentage: 25 } }, { gate: { percentage: 12.5, salt: 'own' } })).toEqual([]);
    expect(warnings({ gate: { percentage: 25, salt: 'flag' } }, { gate: { percentage: 12.5 } })).toEqual(never);
    expect(warnings({ gate: { percentage: 25, bucketBy: 'company' } }, { gate: { percentage: 12.5 } })).toEqual([]);
    expect(
      warnings({ conditions: [DE], gate: { percentage: 25 } }, { conditions: [FR], gate: { percentage: 12.5 } }),
    ).toEqual([]);
    expect(
      warnings(
        { conditions: [DE], gate: { percentage: 25 } },
        { conditions: [{ ...DE, negate: true }], gate: { percentage: 12.5 } },
      ),
    ).toEqual([]);
    expect(warnings({ enabled: false, gate: { percentage: 25 } }, { gate: { percentage: 12.5 } })).toEqual([]);
  });

  it('unreachable_rule: an earlier rule decides everyone, or no context can meet the conditions', () => {
    const lost = ['/rules/1 unreachable_rule'];
    expect(warnings({}, { conditions: [DE] })).toEqual(lost);
    expect(warnings({ conditions: [DE] }, { conditions: [PRO, DE] })).toEqual(lost);
    expect(warnings({ conditions: [DE, PRO] }, { conditions: [DE] })).toEqual([]);
    const EU: Condition = { ...DE, values: ['AT', 'DE'] };
    const notEU: Condition = { ...EU, negate: true };
    expect(warnings({ conditions: [EU] }, { conditions: [DE] })).toEqual(lost);
    expect(warnings({ conditions: [DE] }, { conditions: [EU] })).toEqual([]);
    expect(warnings({ conditions: [DE, notEU] })).toEqual(['/rules/0 unreachable_rule']);
    expect(warnings({ conditions: [DE], enabled: false }, { conditions: [DE] })).toEqual([]);
    expect(warnings({ gate: { percentage: 99.999 } }, {})).toEqual([]);
    expect(warnings({ gate: { percentage: 100 } }, {})).toEqual([]);
    expect(warnings({ gate: { percentage: 100 } }, { gate: { percentage: 50, salt: 's' } })).toEqual(lost);
    expect(warnings({ gate: { percentage: 1, otherwise: 'a' } }, { gate: { percentage: 50 } })).toEqual(lost);
    expect(warnings({ serve: { split: [{ variant: 'a', weight: 1 }] } }, { gate: { percentage: 50 } })).toEqual(lost);
    expect(warnings({ serve: { split: [{ variant: 'a', weight: 0 }] } }, { gate: { percentage: 50 } })).toEqual([]);
    expect(warnings({ conditions: [DE, { ...DE, negate: true }] })).toEqual(['/rules/0 unreachable_rule']);
    expect(warnings({ conditions: [{ ...DE, values: [] }] })).toEqual(['/rules/0 unreachable_rule']);
    expect(warnings({ conditions: [{ cohorts: [] }] })).toEqual(['/rules/0 unreachable_rule']);
    expect(warnings({ conditions: [{ cohorts: [], negate: true }] })).toEqual([]);
  });

  it('no_unit_falls_through: a split or an otherwise by an attribute that may be absent', () => {
    const split = { split: [{ variant: 'a', weight: 1 }], bucketBy: 'company' };
    const company: Condition = { attribute: 'company', operator: 'exists', values: [] };
    expect(warnings({ serve: split })).toEqual(['/rules/0/serve no_unit_falls_through']);
    expect(warnings({ gate: { percentage: 5, bucketBy: 'company', otherwise: 'a' } })).toEqual([
      '/rules/0/gate no_unit_falls_through',
    ]);
    expect(warnings({ gate: { percentage: 5, bucketBy: 'company' } })).toEqual([]);
    expect(warnings({ serve: { split: split.split } })).toEqual([]);
    expect(warnings({ conditions: [company], serve: split })).toEqual([]);
    expect(warnings({ conditions: [{ ...company, negate: true }], serve: split })).toEqual([
      '/rules/0/serve no_unit_falls_through',
    ]);
    expect(codes(validateFlag(flagOf({ fallthrough: split }), none).warnings)).toEqual([
      '/fallthrough no_unit_falls_through',
    ]);
  });
});

describe('validateCohort', () => {
  const cohortProblems = (part: object, surroundings = none, limits?: Partial<DocumentLimits>): string[] =>
    codes(validateCohort({ ...cohortOf(), ...part }, surroundings, { ...DEFAULT_DOCUMENT_LIMITS, ...limits }).problems);

  it('accepts a cohort with lists and rules', () => {
    const rules = [{ conditions: [{ attribute: 'x', operator: 'in', values: [1] }], gate: { percentage: 5 } }];
    expect(cohortProblems({ attribute: 'company', included: ['a'], excluded: ['b'], rules })).toEqual([]);
  });

  it('finds every problem', () => {
    expect(
      cohortProblems({
        key: '-',
        attribute: '',
        included: ['', 5],
        excluded: 'x',
        rules: [{ gate: { percentage: 1, otherwise: 'a' } }],
        name: 'x',
      }),
    ).toEqual([
      '/name unknown_field',
      '/key invalid_key',
      '/included/0 wrong_type',
      '/included/1 wrong_type',
      '/excluded wrong_type',
      '/rules/0/conditions missing',
      '/rules/0/gate/otherwise no_variants',
      '/attribute wrong_type',
    ]);
  });

  it('refuses a unit in both lists', () => {
    expect(cohortProblems({ included: ['a', 'b'], excluded: ['c', 'a'] })).toEqual(['/excluded/1 in_both_lists']);
  });

  it('refuses unknown cohorts, cycles and too many members', () => {
    const names = (key: string): object => ({ rules: [{ conditions: [{ cohorts: [key] }] }] });
    const at = '/rules/0/conditions/0/cohorts/0';
    expect(cohortProblems(names('x'))).toEqual([`${at} unknown_cohort`]);
    expect(cohortProblems(names('cohort'))).toEqual([`${at} cycle`]);
    const k = { ...cohortOf({ key: 'k' }), ...names('cohort') };
    expect(cohortProblems(names('k'), { flags: {}, cohorts: { k } })).toEqual([`${at} cycle`]);
    expect(cohortProblems({ included: ['a', 'b'], excluded: ['c'] }, none, { membersPerCohort: 2 })).toEqual([
      '/included too_many',
    ]);
  });

  it('warns of rules that add nobody', () => {
    const rules = [
      { conditions: [], gate: { percentage: 50 } },
      { conditions: [], gate: { percentage: 5 } },
    ];
    expect(codes(validateCohort(cohortOf({ rules }), none).warnings)).toEqual([
      '/rules/1/gate/percentage gate_never_admits',
    ]);
    expect(codes(validateCohort(cohortOf({ rules: [{ conditions: [] }, { conditions: [] }] }), none).warnings)).toEqual(
      ['/rules/1 unreachable_rule'],
    );
  });

  it('takes a hundred thousand members', () => {
    const included = Array.from({ length: 100_000 }, (_, index) => `user-${index}`);
    expect(cohortProblems({ included })).toEqual([]);
  });
});

describe('validateMembers', () => {
  it('wants two lists of units without a unit in common', () => {
    expect(validateMembers(['a'], ['b'])).toEqual([]);
    expect(codes(validateMembers(['a', ''], ['a', 5]))).toEqual([
      '/add/1 wrong_type',
      '/remove/0 in_both_lists',
      '/remove/1 wrong_type',
    ]);
    expect(codes(validateMembers('a', undefined, { add: '/included/add', remove: '/included/remove' }))).toEqual([
      '/included/remove wrong_type',
      '/included/add wrong_type',
      '/included/remove wrong_type',
    ]);
    expect(codes(validateMembers(['a\0'], []))).toEqual(['/add/0 nul_character']);
  });
});

describe('validateDefinition', () => {
  it('judges the project-wide part of a flag alone', () => {
    const definition = { key: 'f', type: 'boolean', variants: { on: true, off: false } };
    expect(validateDefinition(definition).problems).toEqual([]);
    expect(
      validateDefinition({ ...definition, metadata: { a: 1 }, variantInfo: { on: { name: 'On', description: '…' } } })
        .problems,
    ).toEqual([]);
    expect(
      codes(
        validateDefinition({
          ...definition,
          rules: [],
          variantInfo: { x: {}, on: { title: 'x' } },
          variants: { on: 'yes' },
        }).problems,
      ),
    ).toEqual([
      '/rules unknown_field',
      '/variants/on wrong_type',
      '/variantInfo/x unknown_variant',
      '/variantInfo/on/title unknown_field',
    ]);
  });
});

describe('validateJson', () => {
  it('refuses what JSON cannot carry, PostgreSQL not store, or some language not read back', () => {
    const value = {
      nul: 'a\0',
      lone: '\ud800',
      pair: '😀',
      big: 2 ** 53,
      negative: -(2 ** 53),
      safe: 2 ** 53 - 1,
      large: 1e300,
      small: 1.5,
      nan: NaN,
      long: ['x'.repeat(10_001)],
      fine: 'x'.repeat(10_000),
      undefined,
    };
    expect(codes(validateJson({ ...value, 'key\0': 1, '\udc00': 2 }, '/value'))).toEqual([
      '/value/key\0 nul_character',
      '/value/\udc00 lone_surrogate',
      '/value/nul nul_character',
      '/value/lone lone_surrogate',
      '/value/big unsafe_integer',
      '/value/negative unsafe_integer',
      '/value/large unsafe_integer',
      '/value/nan not_finite',
      '/value/long/0 too_long',
      '/value/undefined wrong_type',
    ]);
  });

  it('counts characters, not code units', () => {
    expect(validateJson('😀'.repeat(10_000))).toEqual([]);
    expect(codes(validateJson('😀'.repeat(10_001)))).toEqual([' too_long']);
  });

  it('refuses what is nested deeper than it can be written again', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    expect(validateJson(deep).map(({ code }) => code)).toEqual(['too_deep']);
    expect(validateJson(JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`))).toEqual([]);
  });
});
