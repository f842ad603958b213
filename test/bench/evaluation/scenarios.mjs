// What is asked, in Fledge's documents; an engine of another product translates them into its own. Units are called with in
// turn, so each call is a new unit to an evaluator that remembers the last one. There are 1,024 of them: enough that no
// branch is predictable, few enough that the processor's cache and not the machine's memory is measured. BENCH_UNITS asks
// for another power of two; with many, what is looked up among 10,000 members waits for memory.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const UNITS = Number(process.env.BENCH_UNITS ?? 1_024);
const LARGE_COHORT = 10_000;

/** 36 characters, as a UUID has; the same in every run. */
export function id(index) {
  const hex = (Math.imul(index + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
  return `${hex}-7b1c-4d2e-9f3a-${index.toString(16).padStart(12, '0')}`;
}

export const ids = Array.from({ length: UNITS }, (_, index) => id(index));

const COUNTRIES = ['DE', 'FR', 'US', 'JP', 'BR'];
const contexts = ids.map((targetingKey, i) => ({
  targetingKey,
  country: COUNTRIES[i % COUNTRIES.length],
  plan: i % 3 === 0 ? 'enterprise' : 'free',
  age: 18 + (i % 60),
}));

const serve = (variant) => ({ variant });

function booleanFlag(key, rules = [], fallthrough = 'off') {
  return {
    key,
    type: 'boolean',
    enabled: true,
    variants: { on: true, off: false },
    offVariant: 'off',
    prerequisites: [],
    rules: rules.map((rule, index) => ({ id: `rule-${index}`, conditions: [], serve: serve('on'), ...rule })),
    fallthrough: serve(fallthrough),
  };
}

const ARMS = ['control', 'blue', 'green', 'red'];

function splitFlag(key, weights = [33, 33, 34]) {
  const split = weights.map((weight, index) => ({ variant: ARMS[index], weight }));
  return {
    key,
    type: 'string',
    enabled: true,
    variants: Object.fromEntries(split.map(({ variant }) => [variant, variant])),
    offVariant: 'control',
    prerequisites: [],
    rules: [],
    fallthrough: { split },
  };
}

const is = (attribute, operator, ...values) => ({ attribute, operator, values });
const quarter = { gate: { percentage: 25 } };

/** Five rules of two conditions each: everybody meets the first condition of every rule, and both of the last alone. */
const fiveRules = [
  { conditions: [is('plan', 'in', 'free', 'enterprise'), is('country', 'in', 'AT', 'CH', 'LI')] },
  { conditions: [is('country', 'in', 'DE', 'FR', 'US', 'JP', 'BR'), is('age', 'gt', 90)] },
  { conditions: [is('age', 'gte', 18), is('plan', 'in', 'trial', 'partner')] },
  { conditions: [is('age', 'gt', 10), is('country', 'in', 'CN')] },
  { conditions: [is('plan', 'in', 'free', 'enterprise'), is('age', 'gte', 18)] },
];

const cohort = (members) => ({ key: 'members', included: members, excluded: [], rules: [] });
/** Every second unit is a member; the rest of the cohort never comes. */
const members = [
  ...ids.filter((_, i) => i % 2 === 0),
  ...Array.from({ length: LARGE_COHORT - UNITS / 2 }, (_, i) => id(UNITS + i)),
];
const inMembers = [{ conditions: [{ cohorts: ['members'] }] }];

/** A document of so many flags, of every ten four plain ones, three gates, two with two conditions, and a split. */
export function snapshotOf(count) {
  const flags = Array.from({ length: count }, (_, index) => {
    const key = `flag-${index}`;
    const kind = index % 10;
    if (kind < 4) return booleanFlag(key, [], kind % 2 === 0 ? 'on' : 'off');
    if (kind < 7) return booleanFlag(key, [quarter]);
    if (kind < 9) return booleanFlag(key, [fiveRules[4]]);
    return splitFlag(key);
  });
  return snapshot(flags);
}

function snapshot(flags, cohorts = []) {
  const byKey = (documents) => Object.fromEntries(documents.map((document) => [document.key, document]));
  return {
    format: 1,
    project: 'bench',
    environment: 'bench',
    version: 1,
    flags: byKey(flags),
    cohorts: byKey(cohorts),
  };
}

/** A document of one flag, `banner`, which shares everybody out among up to four arms. */
export const splitSnapshot = (weights) => snapshot([splitFlag('banner', weights)]);

const everyone = Array.from({ length: UNITS }, (_, i) => i);
const truth = (expected) => (valueOf) => everyone.every((i) => valueOf(i) === expected(i));

/** Within five standard errors of the share for so many independent units. */
const near = (count, share) => Math.abs(count / UNITS - share) < 5 * Math.sqrt((share * (1 - share)) / UNITS);
const countOf = (valueOf, wanted) => everyone.filter((i) => valueOf(i) === wanted).length;

/**
 * `ask`: the getter an application would use; `all` evaluates every flag in one call, `per` of them. `holds` judges
 * what every unit (the first `asked`) is given before anything is timed. `bar`: the ratio to the reference that Fledge has to reach.
 */
export const scenarios = [
  {
    name: 'boolean flag, no rules',
    bar: 0.4,
    ask: 'boolean',
    flag: 'checkout',
    snapshot: snapshot([booleanFlag('checkout', [], 'on')]),
    holds: truth(() => true),
  },
  {
    name: '25 % gate, new user each call',
    bar: 1.5,
    ask: 'boolean',
    flag: 'checkout',
    snapshot: snapshot([booleanFlag('checkout', [quarter])]),
    holds: (valueOf) =>
      near(countOf(valueOf, true), 0.25) && countOf(valueOf, false) + countOf(valueOf, true) === UNITS,
  },
  {
    name: '5 rules × 2 conditions, the last matches',
    bar: 5,
    ask: 'boolean',
    flag: 'checkout',
    snapshot: snapshot([booleanFlag('checkout', fiveRules)]),
    holds: truth(() => true),
  },
  {
    name: '3-way split',
    bar: 2.5,
    ask: 'string',
    flag: 'banner',
    snapshot: snapshot([splitFlag('banner')]),
    holds: (valueOf) =>
      near(countOf(valueOf, 'control'), 0.33) &&
      near(countOf(valueOf, 'blue'), 0.33) &&
      near(countOf(valueOf, 'green'), 0.34),
  },
  {
    name: 'cohort of 10,000 ids',
    bar: 1.5,
    ask: 'boolean',
    flag: 'checkout',
    snapshot: snapshot([booleanFlag('checkout', inMembers)], [cohort(members)]),
    holds: truth((i) => i % 2 === 0),
  },
  {
    name: 'all of 1,000 flags, per flag',
    bar: 1.2,
    ask: 'all',
    per: 1_000,
    asked: 50,
    snapshot: snapshotOf(1_000),
    holds: (valueOf) => everyone.slice(0, 50).every((i) => isWhole(valueOf(i))),
  },
];

/** The size of a cohort must not matter: the same question about a cohort of ten, beside that of 10,000. */
export const smallCohort = {
  ...scenarios[4],
  name: 'cohort of 10 ids',
  snapshot: snapshot([booleanFlag('checkout', inMembers)], [cohort(members.slice(0, 10))]),
  holds: truth((i) => i % 2 === 0 && i < 20),
};
scenarios.splice(5, 0, smallCohort);

/** What can be said of all 1,000 values without knowing how units are bucketed. */
function isWhole(values) {
  if (Object.keys(values).length !== 1_000) return false;
  return (
    values['flag-0'] === true &&
    values['flag-1'] === false &&
    typeof values['flag-4'] === 'boolean' &&
    values['flag-7'] === true &&
    ['control', 'blue', 'green'].includes(values['flag-9'])
  );
}

/** The context of the i-th call. */
export const contextOf = (i) => contexts[i & (UNITS - 1)];

/** The same contexts as another engine's documentation has them, made before anything is timed. */
export function contextsAs(translate) {
  const translated = contexts.map(translate);
  return (i) => translated[i & (UNITS - 1)];
}

/** The version of a package that was installed here. */
export function versionOf(name) {
  const path = fileURLToPath(new URL(`../node_modules/${name}/package.json`, import.meta.url));
  return JSON.parse(readFileSync(path, 'utf8')).version;
}

/** How many contexts there are. */
export const CONTEXTS = UNITS;
