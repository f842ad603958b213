import fc from 'fast-check';
import type {
  Change,
  Cohort,
  CohortRule,
  Condition,
  Context,
  Flag,
  Gate,
  Rule,
  Serve,
  Snapshot,
} from '@fledge/evaluation';
import { snapshotOf } from './documents.js';

/** Documents that are legal but for cycles and missing references, with keys few enough to meet each other. */

const flagKey = fc.constantFrom('f0', 'f1', 'f2', 'f3', 'missing');
const cohortKey = fc.constantFrom('c0', 'c1', 'c2', 'missing');
const variant = fc.constantFrom('a', 'b', 'c');
const attributeName = fc.constantFrom(
  'country',
  'age',
  'plan',
  'user.plan',
  'version',
  'seen',
  'ip',
  'targetingKey',
  '$now',
);
const unit = fc.integer({ min: 0, max: 30 }).map((number) => `user-${number}`);

const scalar = fc.constantFrom<(string | number | boolean)[]>(
  'DE',
  'de',
  'FR',
  '',
  '1',
  '1.0',
  '007',
  'true',
  1,
  0,
  -0,
  18,
  '18',
  2.5,
  true,
  false,
  'user-1',
  'user-2',
  'v1.2.3',
  '1.2',
  '2.0.0-rc.1',
  '2026-11-23T10:00:00Z',
  '2026-11-23T10:30:00+01:00',
  1_795_428_000_000,
  '10.0.0.1',
  '10.0.0.0/8',
  '2001:db8::1',
  'é',
  'É',
);
const operator = fc.constantFrom(
  'in',
  'contains',
  'starts_with',
  'ends_with',
  'num_eq',
  'lt',
  'lte',
  'gt',
  'gte',
  'before',
  'after',
  'semver_eq',
  'semver_lt',
  'semver_lte',
  'semver_gt',
  'semver_gte',
  'semver_caret',
  'semver_tilde',
  'cidr',
  'exists',
);

const maybe = <T>(key: string, value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
  fc.oneof({ arbitrary: fc.constant({}), weight: 3 }, { arbitrary: value.map((one) => ({ [key]: one })), weight: 1 });

const merged = <T>(...parts: fc.Arbitrary<object>[]): fc.Arbitrary<T> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the parts say what they are
  fc.tuple(...parts).map((all) => Object.assign({}, ...all) as T);

const draw = [maybe('bucketBy', attributeName), maybe('salt', fc.constantFrom('s', 't'))];
const percentage = fc.oneof(
  fc.constantFrom(0, 100, 50),
  fc.integer({ min: 0, max: 100_000 }).map((parts) => parts / 1000),
);

const conditionOf: fc.Arbitrary<Condition> = fc.oneof(
  {
    arbitrary: merged<Condition>(
      fc.record({ attribute: attributeName, operator, values: fc.array(scalar, { maxLength: 3 }) }),
      maybe('negate', fc.boolean()),
      maybe('ignoreCase', fc.boolean()),
    ),
    weight: 3,
  },
  {
    arbitrary: merged<Condition>(
      fc.record({ cohorts: fc.array(cohortKey, { maxLength: 2 }) }),
      maybe('negate', fc.boolean()),
    ),
    weight: 1,
  },
);
const conditions = fc.array(conditionOf, { maxLength: 2 });

const gateOf = merged<Gate>(fc.record({ percentage }), ...draw, maybe('otherwise', variant));
const cohortGate = merged<Gate>(fc.record({ percentage }), ...draw);
const split = fc
  .uniqueArray(fc.record({ variant, weight: fc.constantFrom(0, 1, 3, 100_000) }), {
    selector: (share) => share.variant,
    minLength: 1,
  })
  .map((shares) => ({ split: shares }));
const serveOf: fc.Arbitrary<Serve> = fc.oneof(
  { arbitrary: fc.record({ variant }), weight: 2 },
  { arbitrary: merged<Serve>(split, ...draw), weight: 1 },
);

const measure = fc.record({
  rollout: fc.constant('r'),
  epoch: fc.nat({ max: 9 }),
  canary: variant,
  baseline: variant,
  percentage,
  metrics: fc.constant({}),
});

const ruleOf = merged<Rule>(
  fc.record({ id: fc.constantFrom('r0', 'r1', 'r2', 'r3'), conditions, serve: serveOf }),
  maybe('gate', gateOf),
  maybe('enabled', fc.boolean()),
  maybe('measure', measure),
);

export const flagOfKey = (key: string): fc.Arbitrary<Flag> =>
  merged<Flag>(
    fc.record({
      key: fc.constant(key),
      type: fc.constant('string'),
      enabled: fc.oneof({ arbitrary: fc.constant(true), weight: 5 }, { arbitrary: fc.constant(false), weight: 1 }),
      variants: fc.constant({ a: 'A', b: 'B', c: 'C' }),
      offVariant: fc.option(variant),
      prerequisites: fc.oneof(
        { arbitrary: fc.constant([]), weight: 2 },
        {
          arbitrary: fc.array(fc.record({ flag: flagKey, variants: fc.subarray(['a', 'b', 'c']) }), { maxLength: 2 }),
          weight: 1,
        },
      ),
      rules: fc.uniqueArray(ruleOf, { maxLength: 4, selector: ({ id }) => id }),
      fallthrough: fc.option(serveOf, { freq: 5 }),
    }),
    maybe('metadata', fc.constant({ owner: 'team' })),
    maybe('measure', measure),
  );

const cohortRule = merged<CohortRule>(fc.record({ conditions }), maybe('gate', cohortGate));

const cohortOfKey = (key: string): fc.Arbitrary<Cohort> =>
  merged<Cohort>(
    fc.record({
      key: fc.constant(key),
      included: fc.uniqueArray(unit, { maxLength: 4 }),
      excluded: fc.uniqueArray(unit, { maxLength: 2 }),
      rules: fc.array(cohortRule, { maxLength: 2 }),
    }),
    maybe('attribute', attributeName),
  );

/** The flags f0 to f3 and cohorts c0 to c2; what they name may be missing or lead back. */
export const anySnapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    flags: fc.tuple(...['f0', 'f1', 'f2', 'f3'].map(flagOfKey)),
    cohorts: fc.tuple(...['c0', 'c1', 'c2'].map(cohortOfKey)),
  })
  .map(({ flags, cohorts }) => snapshotOf(flags, cohorts));

export const anyContext: fc.Arbitrary<Context> = fc.record(
  {
    targetingKey: unit,
    country: fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }), fc.constant(null)),
    age: scalar,
    plan: fc.oneof(scalar, fc.constant({})),
    'user.plan': scalar,
    user: fc.oneof(fc.record({ plan: scalar }), fc.array(scalar)),
    version: scalar,
    seen: scalar,
    ip: scalar,
    $now: scalar,
  },
  { requiredKeys: [] },
);

/** A change from one version to the next that touches the documents of `anySnapshot`. */
export const changeFrom = (from: number): fc.Arbitrary<Change> =>
  fc
    .record({
      flags: fc.dictionary(fc.constantFrom('f0', 'f1', 'f9'), flagOfKey('f0'), { maxKeys: 2 }),
      whole: fc.dictionary(fc.constantFrom('c0', 'c9'), cohortOfKey('c0'), { maxKeys: 1 }),
      members: fc.dictionary(
        fc.constantFrom('c1', 'c2', 'c8'),
        fc.record(
          {
            included: fc.record(
              { add: fc.array(unit, { maxLength: 3 }), remove: fc.array(unit, { maxLength: 3 }) },
              { requiredKeys: [] },
            ),
            excluded: fc.record(
              { add: fc.array(unit, { maxLength: 3 }), remove: fc.array(unit, { maxLength: 3 }) },
              { requiredKeys: [] },
            ),
          },
          { requiredKeys: [] },
        ),
        { maxKeys: 2 },
      ),
      removed: fc.record(
        { flags: fc.subarray(['f2', 'f3', 'f7']), cohorts: fc.subarray(['c3']) },
        { requiredKeys: [] },
      ),
    })
    .map(({ flags, whole, members, removed }) => {
      const named = Object.fromEntries(Object.entries(flags).map(([key, flag]) => [key, { ...flag, key }]));
      return {
        from,
        version: from + 1,
        revision: `${from + 1}-aaaaaaaa`,
        flags: named,
        cohorts: { ...whole, ...members },
        removed,
      };
    });
