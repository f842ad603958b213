import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyChange,
  applyChanges,
  changeOfPart,
  cohortsOf,
  cohortsOfCohort,
  createEvaluator,
  mergeChanges,
  partOf,
  prerequisitesOf,
  touchesPart,
} from '@fledge/evaluation';
import type { Snapshot } from '@fledge/evaluation';
import { anyContext, anySnapshot, changeFrom } from './support/arbitraries.js';
import { cohortOf, flagOf, snapshotOf } from './support/documents.js';

const inCohort = (key: string, cohort: string) =>
  flagOf({ key, rules: [{ id: 'r', conditions: [{ cohorts: [cohort] }], serve: { variant: 'b' } }] });
const requires = (key: string, flag: string) => flagOf({ key, prerequisites: [{ flag, variants: ['a'] }] });
const someKeys = fc.subarray(['f0', 'f1', 'f2', 'f3', 'f9']);

const held = ({ flags, cohorts }: Snapshot): readonly (readonly string[])[] => [
  Object.keys(flags).toSorted(),
  Object.keys(cohorts).toSorted(),
];

/** Lists of members are sets. */
const sorted = (snapshot: Snapshot | undefined): unknown =>
  snapshot && {
    ...snapshot,
    cohorts: Object.fromEntries(
      Object.entries(snapshot.cohorts).map(([key, cohort]) => [
        key,
        { ...cohort, included: cohort.included.toSorted(), excluded: cohort.excluded.toSorted() },
      ]),
    ),
  };

/** Whether nothing is missing of what is named, as in every environment that the service keeps. */
const isClosed = ({ flags, cohorts }: Snapshot): boolean =>
  Object.values(flags).every(
    (flag) =>
      [...prerequisitesOf(flag)].every((key) => Object.hasOwn(flags, key)) &&
      [...cohortsOf(flag)].every((key) => Object.hasOwn(cohorts, key)),
  ) &&
  Object.values(cohorts).every((cohort) => [...cohortsOfCohort(cohort)].every((key) => Object.hasOwn(cohorts, key)));

describe('partOf', () => {
  const whole = snapshotOf(
    [inCohort('first', 'k'), requires('second', 'first'), requires('third', 'second'), flagOf({ key: 'other' })],
    [
      cohortOf({ key: 'k', rules: [{ conditions: [{ cohorts: ['l'] }] }] }),
      cohortOf({ key: 'l' }),
      cohortOf({ key: 'm' }),
    ],
  );

  it('holds the flags named, what they need and what that needs, and nothing else', () => {
    expect(held(partOf(whole, ['third']))).toEqual([
      ['first', 'second', 'third'],
      ['k', 'l'],
    ]);
    expect(held(partOf(whole, ['other', 'missing']))).toEqual([['other'], []]);
    expect(held(partOf(whole, []))).toEqual([[], []]);
  });

  it('decides every flag it holds as the whole does', () => {
    fc.assert(
      fc.property(anySnapshot, someKeys, fc.array(anyContext, { maxLength: 5 }), (snapshot, keys, contexts) => {
        const part = partOf(snapshot, keys);
        const [inPart, inWhole] = [createEvaluator(part), createEvaluator(snapshot)];
        for (const key of Object.keys(part.flags))
          for (const context of contexts)
            expect(inPart.evaluate(key, context, 0)).toEqual(inWhole.evaluate(key, context, 0));
      }),
      { numRuns: 150 },
    );
  });
});

describe('changeOfPart', () => {
  it('leads from one part to the next, whatever was changed and whatever else is named', () => {
    fc.assert(
      fc.property(
        anySnapshot,
        fc.tuple(changeFrom(1), changeFrom(2), changeFrom(3)),
        fc.tuple(someKeys, someKeys),
        (snapshot, changes, [keysBefore, keysAfter]) => {
          const whole = applyChanges(snapshot, changes);
          const change = mergeChanges(changes);
          if (whole === undefined || change === undefined) throw new Error('the changes do not follow on each other');
          const [before, after] = [partOf(snapshot, keysBefore), partOf(whole, keysAfter)];
          expect(sorted(applyChange(before, changeOfPart(before, after, change)))).toEqual(sorted(after));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('sends one member of a cohort that stays when one member changes, and the whole of one that comes', () => {
    const whole = snapshotOf(
      [inCohort('one', 'k'), inCohort('two', 'l')],
      [cohortOf({ key: 'k' }), cohortOf({ key: 'l' })],
    );
    const moved = { included: { add: ['somebody'] } };
    const change = { from: 1, version: 2, revision: '2-abcdefgh', cohorts: { k: moved, l: moved } };
    const next = applyChange(whole, change);
    if (next === undefined) throw new Error('the change does not fit');
    expect(changeOfPart(partOf(whole, ['one']), partOf(next, ['one', 'two']), change)).toEqual({
      from: 1,
      version: 2,
      revision: '2-abcdefgh',
      flags: { two: whole.flags['two'] },
      cohorts: { k: moved, l: next.cohorts['l'] },
    });
  });

  it('says nothing where the change touches nothing of the part', () => {
    const flags = ['f0', 'f1', 'f2', 'f3'];
    fc.assert(
      fc.property(anySnapshot, changeFrom(1), fc.subarray(flags), (snapshot, change, keys) => {
        const before = partOf(snapshot, keys);
        const whole = applyChange(snapshot, change);
        fc.pre(whole !== undefined && isClosed(before) && !touchesPart(before, change, (key) => keys.includes(key)));
        const after = partOf(whole ?? snapshot, keys);
        expect(after).toEqual({ ...before, version: after.version, revision: after.revision });
        expect(Object.keys(changeOfPart(before, after, change))).toEqual(['from', 'version', 'revision']);
      }),
      { numRuns: 100 },
    );
  });

  it('says nothing of what lies outside', () => {
    const whole = snapshotOf([flagOf({ key: 'one' }), flagOf({ key: 'two' })]);
    const change = {
      from: 1,
      version: 2,
      revision: '2-abcdefgh',
      flags: { two: flagOf({ key: 'two', enabled: false }) },
    };
    const next = applyChange(whole, change) ?? whole;
    expect(changeOfPart(partOf(whole, ['one']), partOf(next, ['one']), change)).toEqual({
      from: 1,
      version: 2,
      revision: '2-abcdefgh',
    });
  });
});
