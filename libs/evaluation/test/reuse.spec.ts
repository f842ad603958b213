import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { applyChange, createEvaluator, createFlagList } from '@fledge/evaluation';
import type { Evaluation, Flag, Snapshot } from '@fledge/evaluation';
import { anyContext, anySnapshot, changeFrom } from './support/arbitraries.js';
import { cohortOf, flagOf, snapshotOf } from './support/documents.js';

type Murmur3 = { readonly murmur3: (text: string) => number };

const counted = vi.hoisted(() => ({ hashes: 0 }));

// Counts the library's hashes without changing them: work is what is guarded here, and times differ from machine to machine.
vi.mock('../src/murmur3.js', async (original) => {
  const actual = await original<Murmur3>();
  const murmur3 = (text: string): number => {
    counted.hashes++;
    return actual.murmur3(text);
  };
  return { ...actual, murmur3 };
});

const gated = (key: string, percentage = 50): Flag =>
  flagOf({ key, rules: [{ id: 'r', conditions: [], gate: { percentage }, serve: { variant: 'b' } }] });

/** A document that counts how often it is read. */
function watched(flag: Flag, reads: { count: number }): Flag {
  return new Proxy(flag, {
    get: (target, name, receiver) => {
      reads.count++;
      return Reflect.get(target, name, receiver);
    },
    getOwnPropertyDescriptor: (target, name) => {
      reads.count++;
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
  });
}

describe('an evaluator over changes', () => {
  it('answers as a fresh one does', () => {
    fc.assert(
      fc.property(
        anySnapshot,
        fc.array(changeFrom(1), { minLength: 1, maxLength: 4 }),
        fc.array(anyContext, { minLength: 1, maxLength: 4 }),
        (first, changes, contexts) => {
          let snapshot: Snapshot = first;
          let evaluator = createEvaluator(snapshot);
          for (const change of changes) {
            for (const context of contexts)
              for (const key of Object.keys(snapshot.flags))
                expect(evaluator.evaluate(key, context, 0)).toEqual(
                  createEvaluator(snapshot).evaluate(key, context, 0),
                );
            const after = applyChange(snapshot, { ...change, from: snapshot.version, version: snapshot.version + 1 });
            if (after === undefined) throw new Error('the change was made to fit');
            snapshot = after;
            evaluator = createEvaluator(snapshot, evaluator);
          }
        },
      ),
      { numRuns: 80 },
    );
  });

  it('reads no document before its first evaluation, and one document after a toggle among many', () => {
    const reads = { count: 0 };
    const flags = Array.from({ length: 200 }, (_, index) => watched(gated(`flag-${index}`), reads));
    const before = snapshotOf(flags);
    reads.count = 0;
    const evaluator = createEvaluator(before);
    expect(reads.count).toBe(0);
    for (const key of Object.keys(before.flags)) evaluator.evaluate(key, { targetingKey: 'user-1' }, 0);
    const perFlag = reads.count / 200;
    reads.count = 0;
    const toggled = watched(gated('flag-7', 60), reads);
    const after = applyChange(before, { from: 1, version: 2, revision: '2-abcdefgh', flags: { 'flag-7': toggled } });
    if (after === undefined) throw new Error('the change was made to fit');
    const next = createEvaluator(after, evaluator);
    for (const key of Object.keys(after.flags)) next.evaluate(key, { targetingKey: 'user-1' }, 0);
    expect(reads.count).toBeLessThanOrEqual(perFlag + 1);
  });

  it('may be older than the one made from it, and still answer for its own snapshot', () => {
    const before = snapshotOf([gated('flag', 0)]);
    const after = applyChange(before, {
      from: 1,
      version: 2,
      revision: '2-abcdefgh',
      flags: { flag: gated('flag', 100) },
    });
    if (after === undefined) throw new Error('the change was made to fit');
    const old = createEvaluator(before);
    const fresh = createEvaluator(after, old);
    const context = { targetingKey: 'user-1' };
    expect(fresh.evaluate('flag', context, 0)).toMatchObject({ variant: 'b', metadata: { version: 2 } });
    expect(old.evaluate('flag', context, 0)).toMatchObject({ variant: 'a', metadata: { version: 1 } });
  });
});

describe('evaluating all flags', () => {
  it('answers as evaluating them one by one does', () => {
    fc.assert(
      fc.property(anySnapshot, anyContext, (snapshot, context) => {
        const evaluator = createEvaluator(snapshot);
        const all = evaluator.evaluateAll(context, 0);
        expect(Object.keys(all)).toEqual(Object.keys(snapshot.flags));
        for (const key of Object.keys(snapshot.flags)) expect(all[key]).toEqual(evaluator.evaluate(key, context, 0));
      }),
      { numRuns: 100 },
    );
  });
});

describe('a list of all flags', () => {
  const withoutVersion = ({ metadata: { version: _, ...metadata }, ...answer }: Evaluation) => ({
    ...answer,
    metadata,
  });

  it('answers as evaluating them one by one does, but for the version', () => {
    fc.assert(
      fc.property(anySnapshot, fc.array(anyContext, { minLength: 1, maxLength: 3 }), (snapshot, contexts) => {
        const evaluator = createEvaluator(snapshot);
        const list = createFlagList(evaluator);
        expect(list.keys).toEqual(Object.keys(snapshot.flags));
        for (const context of contexts)
          expect(list.decide(context, 0)).toEqual(
            list.keys.map((key) => withoutVersion(evaluator.evaluate(key, context, 0))),
          );
      }),
      { numRuns: 200 },
    );
  });

  it('answers the identical object for as long as the document of the flag stays the same', () => {
    const before = snapshotOf([gated('kept'), gated('changed'), flagOf({ key: 'plain' })]);
    const after = applyChange(before, {
      from: 1,
      version: 2,
      revision: '2-abcdefgh',
      flags: { changed: gated('changed', 60) },
    });
    if (after === undefined) throw new Error('the change was made to fit');
    const evaluator = createEvaluator(before);
    const context = { targetingKey: 'user-1' };
    const first = createFlagList(evaluator).decide(context, 0);
    const second = createFlagList(createEvaluator(after, evaluator)).decide(context, 0);
    expect(second).toEqual(first);
    expect(first.map((answer, at) => answer === second[at])).toEqual([true, false, true]);
  });

  it('hashes a new unit once, and looks at no document', () => {
    const reads = { count: 0 };
    const list = createFlagList(
      createEvaluator(snapshotOf(Array.from({ length: 50 }, (_, index) => watched(gated(`flag-${index}`), reads)))),
    );
    list.decide({ targetingKey: 'user-1' }, 0);
    reads.count = counted.hashes = 0;
    list.decide({ targetingKey: 'user-2' }, 0);
    expect({ hashes: counted.hashes, reads: reads.count }).toEqual({ hashes: 1, reads: 0 });
  });
});

describe('the work of an evaluation', () => {
  beforeEach(() => {
    counted.hashes = 0;
  });

  it('is one hash of the unit for all flags of a snapshot', () => {
    const evaluator = createEvaluator(snapshotOf(Array.from({ length: 100 }, (_, index) => gated(`flag-${index}`))));
    const all = (targetingKey: string): void => {
      for (let index = 0; index < 100; index++) evaluator.evaluate(`flag-${index}`, { targetingKey }, 0);
    };
    all('user-1');
    counted.hashes = 0;
    all('user-2');
    expect(counted.hashes).toBe(1);
    all('user-2');
    expect(counted.hashes).toBe(1);
  });

  it('is no hash at all for a flag without gates and splits', () => {
    const evaluator = createEvaluator(snapshotOf([flagOf()]));
    evaluator.evaluate('flag', { targetingKey: 'user-1' }, 0);
    expect(counted.hashes).toBe(0);
  });

  it('is one hash for a gate, a split and a cohort with a gate', () => {
    const share = {
      split: [
        { variant: 'a', weight: 1 },
        { variant: 'b', weight: 1 },
        { variant: 'c', weight: 1 },
      ],
    };
    const rule = { id: 'r', conditions: [{ cohorts: ['cohort'] }], gate: { percentage: 100 }, serve: share };
    const cohort = cohortOf({ rules: [{ conditions: [], gate: { percentage: 100 } }] });
    const evaluator = createEvaluator(snapshotOf([flagOf({ rules: [rule] })], [cohort]));
    evaluator.evaluate('flag', { targetingKey: 'user-1' }, 0);
    counted.hashes = 0;
    evaluator.evaluate('flag', { targetingKey: 'user-2' }, 0);
    expect(counted.hashes).toBe(1);
  });

  it('is no hash for all flags of a unit that was hashed before', () => {
    const evaluator = createEvaluator(snapshotOf(Array.from({ length: 100 }, (_, index) => gated(`flag-${index}`))));
    evaluator.evaluateAll({ targetingKey: 'user-1' }, 0);
    counted.hashes = 0;
    evaluator.evaluateAll({ targetingKey: 'user-1' }, 0);
    evaluator.evaluate('flag-7', { targetingKey: 'user-1' }, 0);
    expect(counted.hashes).toBe(0);
  });

  it('looks at no member of a cohort, however many it has', () => {
    const reads = { count: 0 };
    const members = new Proxy(
      Array.from({ length: 1_000 }, (_, index) => `user-${index}`),
      {
        get: (target, name, receiver) => {
          reads.count++;
          return Reflect.get(target, name, receiver);
        },
      },
    );
    const rule = { id: 'r', conditions: [{ cohorts: ['cohort'] }], serve: { variant: 'b' } };
    const evaluator = createEvaluator(snapshotOf([flagOf({ rules: [rule] })], [cohortOf({ included: members })]));
    expect(evaluator.evaluate('flag', { targetingKey: 'user-999' }, 0).variant).toBe('b');
    expect(reads.count).toBeGreaterThan(0);
    reads.count = 0;
    expect(evaluator.evaluate('flag', { targetingKey: 'user-500' }, 0).variant).toBe('b');
    expect(evaluator.evaluate('flag', { targetingKey: 'somebody' }, 0).variant).toBe('a');
    expect(reads.count).toBe(0);
  });

  it('reads no document again once a flag was evaluated', () => {
    const reads = { count: 0 };
    const evaluator = createEvaluator(snapshotOf([watched(gated('flag'), reads)]));
    evaluator.evaluate('flag', { targetingKey: 'user-1' }, 0);
    reads.count = 0;
    for (let index = 0; index < 100; index++) evaluator.evaluate('flag', { targetingKey: `user-${index}` }, 0);
    expect(reads.count).toBe(0);
  });

  it('reads the clock when a condition asks for the time, and once', () => {
    let reads = 0;
    const clock = (): number => ++reads;
    const later = { attribute: '$now', operator: 'after' as const, values: [0] };
    const timed = flagOf({
      key: 'timed',
      rules: [{ id: 'r', conditions: [later, later], gate: { percentage: 100 }, serve: { variant: 'b' } }],
    });
    const evaluator = createEvaluator(snapshotOf([gated('gated'), timed, { ...timed, key: 'timed-too' }]));
    evaluator.evaluate('gated', { targetingKey: 'user-1' }, clock);
    expect(reads).toBe(0);
    expect(evaluator.evaluate('timed', { targetingKey: 'user-1' }, clock).variant).toBe('b');
    expect(reads).toBe(1);
    evaluator.evaluateAll({ targetingKey: 'user-1' }, clock);
    expect(reads).toBe(2);
  });

  it('allocates no second answer for a choice that was made before', () => {
    const evaluator = createEvaluator(snapshotOf([gated('flag', 100)]));
    const answer = evaluator.evaluate('flag', { targetingKey: 'user-1' }, 0);
    expect(evaluator.evaluate('flag', { targetingKey: 'user-2' }, 0)).toBe(answer);
    expect(Object.isFrozen(answer) && Object.isFrozen(answer.metadata)).toBe(true);
  });

  it('allocates one answer for each arm of a rollout, however many units it has', () => {
    const measure = { rollout: 'r', epoch: 7, canary: 'b', baseline: 'a', percentage: 50, metrics: {} };
    const gate = { percentage: 50, otherwise: 'a' };
    const rule = { id: 'r', conditions: [], gate, serve: { variant: 'b' }, measure };
    const evaluator = createEvaluator(snapshotOf([flagOf({ rules: [rule] })]));
    const answers = new Set(
      Array.from({ length: 50 }, (_, n) => evaluator.evaluate('flag', { targetingKey: `user-${n}` }, 0)),
    );
    expect([...answers].map(({ variant, metadata }) => `${variant} ${String(metadata['arm'])}`).toSorted()).toEqual([
      'a baseline',
      'b canary',
    ]);
  });
});
