import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate, explain, traceText } from '@fledge/evaluation';
import type { Evaluation, Flag, TraceStep } from '@fledge/evaluation';
import { anyContext, anySnapshot } from './support/arbitraries.js';
import { cohortOf, flagOf, snapshotOf } from './support/documents.js';

/** What the trace ends in: the variant served, null for the caller's default, or broken. */
function conclusion(trace: readonly TraceStep[]): string | null {
  const last = trace.at(-1);
  if (last === undefined || last.step === 'prerequisite') return 'no end';
  if (last.step === 'flag') return last.state === 'missing' ? 'missing' : 'no end';
  return last.step === 'broken' ? 'broken' : last.serves;
}

function answered({ variant, errorCode }: Evaluation): string | null {
  if (errorCode === 'FLAG_NOT_FOUND') return 'missing';
  return errorCode === 'PARSE_ERROR' ? 'broken' : (variant ?? null);
}

const gated = (percentage: number): Flag =>
  flagOf({ rules: [{ id: 'r', conditions: [], gate: { percentage }, serve: { variant: 'b' } }] });

describe('explain', () => {
  it('ends where evaluation ends, for any snapshot and context', () => {
    fc.assert(
      fc.property(anySnapshot, anyContext, (snapshot, context) => {
        for (const key of [...Object.keys(snapshot.flags), 'missing']) {
          const { evaluation, trace } = explain(snapshot, key, context, 0);
          expect(evaluation).toStrictEqual(evaluate(snapshot, key, context, 0));
          expect(conclusion(trace)).toBe(answered(evaluation));
          expect(traceText(trace)).not.toBe('');
        }
      }),
      { numRuns: 150 },
    );
  });

  it('says from which percentage on a unit is in', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (targetingKey) => {
        const { trace } = explain(snapshotOf([gated(0)]), 'flag', { targetingKey }, 0);
        const [, rule] = trace;
        const inFrom = rule?.step === 'rule' ? (rule.gate?.inFrom ?? NaN) : NaN;
        const variantAt = (percentage: number): unknown =>
          evaluate(snapshotOf([gated(percentage)]), 'flag', { targetingKey }, 0).variant;
        expect(variantAt(inFrom)).toBe('b');
        expect(variantAt(Math.round(inFrom * 1000 - 1) / 1000)).toBe('a');
      }),
    );
  });

  it('shows prerequisites, rules, conditions, cohorts, gates and splits in the order in which they were looked at', () => {
    const flag = flagOf({
      prerequisites: [{ flag: 'payments', variants: ['a'] }],
      rules: [
        { id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'b' } },
        {
          id: 'adults',
          conditions: [
            { attribute: 'country', operator: 'in', values: ['DE', 'AT'], ignoreCase: true },
            { attribute: 'age', operator: 'lt', values: [18], negate: true },
          ],
          gate: { percentage: 100, bucketBy: 'company' },
          serve: { split: [{ variant: 'b', weight: 1 }] },
        },
        { id: 'off', enabled: false, conditions: [], serve: { variant: 'c' } },
      ],
      fallthrough: null,
    });
    const staff = cohortOf({
      key: 'staff',
      included: ['user-1'],
      rules: [{ conditions: [{ attribute: 'email', operator: 'ends_with', values: ['@example.com'] }] }],
    });
    const snapshot = snapshotOf([flag, flagOf({ key: 'payments' })], [staff]);
    const text = (context: Parameters<typeof explain>[2]): string[] =>
      traceText(explain(snapshot, 'flag', context, 0).trace).split('\n');
    expect(text({ targetingKey: 'user-2', country: 'de', age: 20 })).toEqual([
      'flag flag is enabled',
      'prerequisite payments serves "a", wanted ["a"]: holds',
      '  flag payments is enabled',
      '  fallthrough serves "a"',
      'rule staff does not apply',
      '  in cohorts staff: unknown',
      '    cohort staff: member unknown, in no list, and its rules cannot tell',
      '      rule 1: unknown',
      '        email ends_with ["@example.com"], is absent: unknown',
      'rule adults does not apply',
      '  country in ["DE", "AT"] ignoring case, is "de": true',
      '  not age lt [18], is 20: true',
      '  gate 100 % by company, which the context does not have: decides nothing',
      'rule off is not enabled',
      "fallthrough serves the caller's default",
    ]);
    expect(text({ targetingKey: 'user-1' }).slice(-3)).toEqual([
      'rule staff serves "b"',
      '  in cohorts staff: true',
      '    cohort staff: member true, "user-1" is included',
    ]);
    expect(text({ country: 'AT', age: 20, company: 7 }).slice(-4, -2)).toEqual([
      '  gate 100 % by company "7" with salt "flag", bucket 2135813332 below 4294967296: in from 49.729 % on',
      '  split by targetingKey, which the context does not have: decides nothing',
    ]);
  });

  it('keeps a step on its line, whatever attributes are called', () => {
    const conditions = [{ attribute: 'a\nb', operator: 'in', values: ['c\nd'] }] as const;
    const gate = { percentage: 50, bucketBy: 'e\nf' };
    const flag = flagOf({
      rules: [
        { id: 'r', conditions, serve: { variant: 'b' } },
        { id: 's', conditions: [], gate, serve: { variant: 'b' } },
      ],
    });
    expect(traceText(explain(snapshotOf([flag]), 'flag', {}, 0).trace).split('\n')).toHaveLength(6);
  });

  it('tells who is in a cohort by its rules from who is in none of its lists', () => {
    const flag = flagOf({ rules: [{ id: 'r', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'b' } }] });
    const staff = cohortOf({
      key: 'staff',
      rules: [{ conditions: [{ attribute: 'x', operator: 'in', values: [1] }] }],
    });
    const member = (x: number): string | undefined =>
      traceText(explain(snapshotOf([flag], [staff]), 'flag', { x }, 0).trace).split('\n')[3];
    expect([member(1), member(2)]).toEqual([
      '    cohort staff: member true, by its rules',
      '    cohort staff: member false, in no list, and no rule lets it in',
    ]);
  });

  it('explains a prerequisite that fails, and what is broken', () => {
    const failing = flagOf({ offVariant: 'c', prerequisites: [{ flag: 'missing', variants: ['a'] }] });
    expect(traceText(explain(snapshotOf([failing]), 'flag', {}, 0).trace).split('\n')).toEqual([
      'flag flag is enabled',
      'prerequisite missing is missing, wanted ["a"]: fails',
      '  flag missing is missing',
      'off: serves "c"',
    ]);
    const prerequisite = (part: Parameters<typeof flagOf>[0]): string | undefined => {
      const flag = flagOf({ prerequisites: [{ flag: 'other', variants: ['b'] }] });
      return traceText(explain(snapshotOf([flag, flagOf({ key: 'other', ...part })]), 'flag', {}, 0).trace).split(
        '\n',
      )[1];
    };
    expect([
      prerequisite({ enabled: false, offVariant: 'b' }),
      prerequisite({ prerequisites: [{ flag: 'missing', variants: ['a'] }], offVariant: 'b' }),
      prerequisite({ fallthrough: null }),
    ]).toEqual([
      'prerequisite other is disabled, wanted ["b"]: fails',
      'prerequisite other is off, wanted ["b"]: fails',
      'prerequisite other serves the caller\'s default, wanted ["b"]: fails',
    ]);
    const broken = flagOf({ fallthrough: { variant: 'nope' } });
    expect(explain(snapshotOf([broken]), 'flag', {}, 0).trace.at(-1)).toEqual({ step: 'broken', message: 'nope' });
  });
});
