import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyChange, applyChanges, changedFlags, createEvaluator, mergeChanges } from '@fledge/evaluation';
import type { Change, Cohort, Snapshot } from '@fledge/evaluation';
import { anyContext, anySnapshot, changeFrom } from './support/arbitraries.js';
import { cohortOf, flagOf, snapshotOf } from './support/documents.js';

const next = (part: Partial<Change>, from = 1): Change => ({
  from,
  version: from + 1,
  revision: `${from + 1}-abcdefgh`,
  ...part,
});

/** The same as `applyChange`, from nothing: every document anew. */
function rebuilt(snapshot: Snapshot, change: Change): Snapshot {
  const flags = new Map(Object.entries(structuredClone(snapshot.flags)));
  const cohorts = new Map(Object.entries(structuredClone(snapshot.cohorts)));
  for (const key of change.removed?.flags ?? []) flags.delete(key);
  for (const key of change.removed?.cohorts ?? []) cohorts.delete(key);
  for (const [key, flag] of Object.entries(change.flags ?? {})) flags.set(key, structuredClone(flag));
  for (const [key, cohort] of Object.entries(change.cohorts ?? {})) {
    if ('key' in cohort) {
      cohorts.set(key, structuredClone(cohort));
      continue;
    }
    const before = cohorts.get(key);
    if (before === undefined) continue;
    const members = (list: 'included' | 'excluded'): string[] => {
      const { add = [], remove = [] } = cohort[list] ?? {};
      const kept = before[list].filter((member) => !remove.includes(member) && !add.includes(member));
      return [...kept, ...new Set(add)];
    };
    cohorts.set(key, { ...before, included: members('included'), excluded: members('excluded') });
  }
  const { version, revision } = change;
  return { ...snapshot, version, revision, flags: Object.fromEntries(flags), cohorts: Object.fromEntries(cohorts) };
}

describe('applyChange', () => {
  it('equals a snapshot built anew', () => {
    fc.assert(
      fc.property(anySnapshot, changeFrom(1), (snapshot, change) => {
        expect(applyChange(snapshot, change)).toEqual(rebuilt(snapshot, change));
      }),
    );
  });

  it('folds many changes as it would one after the other', () => {
    fc.assert(
      fc.property(anySnapshot, changeFrom(1), changeFrom(2), changeFrom(3), (snapshot, ...changes) => {
        const [one, two, three] = changes;
        const stepped = [one, two, three].reduce<Snapshot | undefined>(
          (before, change) => before && applyChange(before, change),
          snapshot,
        );
        expect(applyChanges(snapshot, changes)).toEqual(stepped);
      }),
    );
  });

  it('never modifies the snapshot it was given', () => {
    fc.assert(
      fc.property(anySnapshot, changeFrom(1), (snapshot, change) => {
        const copy = structuredClone(snapshot);
        applyChange(snapshot, change);
        expect(snapshot).toEqual(copy);
      }),
    );
  });

  it('keeps every document that the change does not touch the identical object', () => {
    const before = snapshotOf([flagOf({ key: 'one' }), flagOf({ key: 'two' })], [cohortOf()]);
    const after = applyChange(before, next({ flags: { one: flagOf({ key: 'one', enabled: false }) } }));
    expect(after?.flags['two']).toBe(before.flags['two']);
    expect(after?.cohorts).toBe(before.cohorts);
    expect(after?.flags['one']).not.toBe(before.flags['one']);
  });

  it('is undefined for a change from another version', () => {
    const snapshot = snapshotOf([flagOf()]);
    expect(applyChange(snapshot, next({}, 2))).toBeUndefined();
    expect(applyChanges(snapshot, [next({}, 1), next({}, 3)])).toBeUndefined();
  });

  it('is the snapshot itself for no changes', () => {
    const snapshot = snapshotOf([flagOf()]);
    expect(applyChanges(snapshot, [])).toBe(snapshot);
  });

  it('takes a change that spans several versions, as patches may be merged', () => {
    const after = applyChange(snapshotOf([flagOf()]), {
      from: 1,
      version: 7,
      revision: '7-abcdefgh',
      removed: { flags: ['flag'] },
    });
    expect(after).toMatchObject({ version: 7, revision: '7-abcdefgh', flags: {} });
  });

  it('forgets that history was rewritten', () => {
    const after = applyChange({ ...snapshotOf([flagOf()]), reset: true }, next({}));
    expect(after).not.toHaveProperty('reset');
  });

  it('adds and removes members, each of them once', () => {
    const before = snapshotOf([], [cohortOf({ included: ['a', 'b', 'c'], excluded: ['x'] })]);
    const change = next({ cohorts: { cohort: { included: { add: ['d', 'a', 'd'], remove: ['b'] } } } });
    const cohort: Cohort | undefined = applyChange(before, change)?.cohorts['cohort'];
    expect([...(cohort?.included ?? [])].sort()).toEqual(['a', 'c', 'd']);
    expect(cohort?.excluded).toBe(before.cohorts['cohort']?.excluded);
  });

  it('ignores members of a cohort that the snapshot does not hold', () => {
    const after = applyChange(snapshotOf([]), next({ cohorts: { other: { included: { add: ['a'] } } } }));
    expect(after?.cohorts).toEqual({});
  });

  it('takes __proto__ and constructor for keys like any other', () => {
    const flags = JSON.parse('{"__proto__":{"key":"__proto__"},"constructor":{"key":"constructor"}}');
    const after = applyChange(snapshotOf([flagOf()]), next({ flags }));
    expect(Object.keys(after?.flags ?? {})).toEqual(['flag', '__proto__', 'constructor']);
    expect(Object.getPrototypeOf(after?.flags)).toBe(Object.prototype);
    const removed = after && applyChange(after, next({ removed: { flags: ['__proto__', 'constructor'] } }, 2));
    expect(Object.keys(removed?.flags ?? {})).toEqual(['flag']);
  });
});

describe('mergeChanges', () => {
  /** Lists of members are sets. */
  const sorted = (snapshot: Snapshot | undefined): unknown =>
    snapshot && {
      ...snapshot,
      cohorts: Object.fromEntries(
        Object.entries(snapshot.cohorts).map(([key, { included, excluded, ...rest }]) => [
          key,
          { ...rest, included: included.toSorted(), excluded: excluded.toSorted() },
        ]),
      ),
    };

  it('is one change that does what several do', () => {
    fc.assert(
      fc.property(anySnapshot, changeFrom(1), changeFrom(2), changeFrom(3), (snapshot, ...changes) => {
        const merged = mergeChanges(changes);
        expect(merged).toMatchObject({ from: 1, version: 4, revision: '4-aaaaaaaa' });
        expect(sorted(merged && applyChange(snapshot, merged))).toEqual(sorted(applyChanges(snapshot, changes)));
      }),
      { numRuns: 200 },
    );
  });

  it('is undefined for no changes, and for changes that do not continue each other', () => {
    expect(mergeChanges([])).toBeUndefined();
    expect(mergeChanges([next({}, 1), next({}, 3)])).toBeUndefined();
  });
});

describe('changedFlags', () => {
  const inCohort = (key: string, cohort: string) =>
    flagOf({ key, rules: [{ id: 'r', conditions: [{ cohorts: [cohort] }], serve: { variant: 'b' } }] });
  const requires = (key: string, flag: string) => flagOf({ key, prerequisites: [{ flag, variants: ['a'] }] });
  const before = snapshotOf(
    [
      flagOf({ key: 'alone' }),
      inCohort('inner', 'k'),
      inCohort('outer', 'l'),
      requires('needs', 'inner'),
      requires('needs-more', 'needs'),
    ],
    [cohortOf({ key: 'k' }), cohortOf({ key: 'l', rules: [{ conditions: [{ cohorts: ['k'] }] }] })],
  );

  it('is empty when nothing changed, even between two copies', () => {
    expect(changedFlags(before, before)).toEqual([]);
    expect(changedFlags(before, structuredClone(before))).toEqual([]);
  });

  it('names flags that were changed, added and removed', () => {
    const flags = { alone: flagOf({ key: 'alone', enabled: false }), fresh: flagOf({ key: 'fresh' }) };
    const after = applyChange(before, next({ flags, removed: { flags: ['outer'] } }));
    expect(after && changedFlags(before, after).sort()).toEqual(['alone', 'fresh', 'outer']);
  });

  it('names flags that reach a cohort or a prerequisite that changed', () => {
    const after = applyChange(before, next({ cohorts: { k: { included: { add: ['user-1'] } } } }));
    expect(after && changedFlags(before, after).sort()).toEqual(['inner', 'needs', 'needs-more', 'outer']);
  });

  it('never leaves out a flag whose evaluation differs', () => {
    fc.assert(
      fc.property(anySnapshot, changeFrom(1), fc.array(anyContext, { maxLength: 5 }), (snapshot, change, contexts) => {
        const after = applyChange(snapshot, change);
        if (after === undefined) return;
        const changed = changedFlags(snapshot, after);
        // Both at one version, which every answer names.
        const [old, fresh] = [createEvaluator(snapshot), createEvaluator({ ...after, version: 1 })];
        for (const key of new Set([...Object.keys(snapshot.flags), ...Object.keys(after.flags)]))
          for (const context of contexts)
            if (!changed.includes(key)) expect(fresh.evaluate(key, context, 0)).toEqual(old.evaluate(key, context, 0));
      }),
      { numRuns: 150 },
    );
  });
});
