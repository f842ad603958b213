import { setTimeout as sleep } from 'node:timers/promises';
import {
  applyChange,
  applyChanges,
  cohortsOf,
  cohortsOfCohort,
  prerequisitesOf,
  reachableCohorts,
  type Cohort,
  type Condition,
  type Flag,
  type FlagType,
  type JsonValue,
  type Snapshot,
} from '@fledge/evaluation';
import {
  CohortStore,
  createDataSource,
  DomainError,
  EnvironmentStore,
  FlagStore,
  HistoryStore,
  ProjectStore,
  SERVICE,
  SnapshotStore,
  TargetingStore,
  type FlagTags,
  type TaggedSnapshot,
  type Targeting,
} from '@fledge/store';
import fc from 'fast-check';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.js';

/** What SDKs and replicas rely on: the changes, applied one after the other, are the snapshot; whatever was written in whatever order. */

let database: TestDatabase;
let dataSource: DataSource;
let stores: {
  readonly projects: ProjectStore;
  readonly environments: EnvironmentStore;
  readonly flags: FlagStore;
  readonly targetings: TargetingStore;
  readonly cohorts: CohortStore;
};
let snapshots: SnapshotStore;
let history: HistoryStore;

beforeAll(async () => {
  database = await createDatabase();
  dataSource = await createDataSource({ url: database.url }).initialize();
  stores = {
    projects: new ProjectStore(dataSource),
    environments: new EnvironmentStore(dataSource),
    flags: new FlagStore(dataSource),
    targetings: new TargetingStore(dataSource),
    cohorts: new CohortStore(dataSource),
  };
  snapshots = new SnapshotStore(dataSource);
  history = new HistoryStore(dataSource);
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

/** One write to a project; which exist, and whether it is legal at that moment, is not its business. */
type Write = { readonly name: string; readonly run: (project: string) => Promise<unknown> };

const FLAGS = ['f0', 'f1', 'f2', 'f3', 'constructor'];
const COHORTS = ['c0', 'c1', 'c2', 'c3'];
const UNITS = ['u0', 'u1', 'u2', 'u3', 'u4', "u'5", '😀'];
const VARIANTS: Readonly<Record<FlagType, Readonly<Record<string, JsonValue>>>> = {
  boolean: { on: true, off: false },
  string: { on: 'x', off: '', third: '"' },
  number: { on: 0.1, off: -1, third: 2 ** 53 - 1 },
  object: { on: { a: [1, { b: null }] }, off: [], third: {} },
};

const flagKey = fc.constantFrom(...FLAGS);
const cohortKey = fc.constantFrom(...COHORTS);
const environmentKey = fc.constantFrom('e0', 'e1', 'e0', 'e1', 'e2');
const units = fc.uniqueArray(fc.constantFrom(...UNITS), { maxLength: 4 });
const variant = fc.constantFrom('on', 'off', 'on', 'off', 'on', 'off', 'third');
const percentage = fc.constantFrom(0, 12.5, 50, 99.999, 100);

const conditions: fc.Arbitrary<readonly Condition[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ cohorts: fc.uniqueArray(cohortKey, { minLength: 1, maxLength: 2 }) }),
    },
    { weight: 1, arbitrary: fc.constant<Condition>({ attribute: 'country', operator: 'in', values: ['DE'] }) },
  ),
  { maxLength: 2 },
);
const targeting: fc.Arbitrary<Targeting> = fc.record({
  enabled: fc.boolean(),
  offVariant: fc.option(variant),
  prerequisites: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.tuple(fc.record({ flag: flagKey, variants: fc.constant(['on']) })) },
  ),
  rules: fc.array(fc.record({ conditions, percentage, variant }), { maxLength: 2 }).map((rules) =>
    rules.map((rule, index) => ({
      id: `r${index}`,
      conditions: rule.conditions,
      gate: { percentage: rule.percentage },
      serve: { variant: rule.variant },
    })),
  ),
  fallthrough: fc.option(
    fc.oneof(
      fc.record({ variant }),
      fc.constant({
        split: [
          { variant: 'on', weight: 1 },
          { variant: 'off', weight: 3 },
        ],
      }),
    ),
  ),
});
const cohortRules = fc.array(fc.record({ conditions }), { maxLength: 1 });

const by = SERVICE;
const at = (project: string, environment: string, flag: string) => ({ project, environment, flag });
const named = <T>(name: string, arbitrary: fc.Arbitrary<T>, run: (project: string, input: T) => Promise<unknown>) =>
  arbitrary.map((input): Write => ({
    name: `${name} ${JSON.stringify(input)}`,
    run: (project) => run(project, input),
  }));

const write: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 2,
    arbitrary: named(
      'create flag',
      fc.record({ key: flagKey, type: fc.constantFrom<FlagType>('boolean', 'string', 'number', 'object') }),
      (project, { key, type }) => stores.flags.create(by, project, { key, type, variants: VARIANTS[type] }),
    ),
  },
  {
    weight: 4,
    arbitrary: named(
      'edit flag',
      fc.record({
        key: flagKey,
        variants: fc.option(
          fc.constantFrom<Record<string, JsonValue>>(VARIANTS.boolean, VARIANTS.string, { on: 'y', off: '' }),
        ),
        metadata: fc.option(fc.record({ team: fc.constantFrom('a', 'b', null) }), { nil: undefined }),
        name: fc.option(fc.constantFrom('x', 'y'), { nil: undefined }),
        tags: fc.option(fc.subarray(['a', 'b']), { nil: undefined }),
      }),
      (project, { key, variants, ...edit }) =>
        stores.flags.update(by, project, key, { ...edit, ...(variants === null ? {} : { variants }) }),
    ),
  },
  { weight: 1, arbitrary: named('archive', flagKey, (project, key) => stores.flags.archive(by, project, key)) },
  { weight: 2, arbitrary: named('restore', flagKey, (project, key) => stores.flags.restore(by, project, key)) },
  { weight: 1, arbitrary: named('delete flag', flagKey, (project, key) => stores.flags.delete(by, project, key)) },
  {
    weight: 12,
    arbitrary: named('target', fc.tuple(environmentKey, flagKey, targeting), (project, [environment, flag, document]) =>
      stores.targetings.replace(by, at(project, environment, flag), document, undefined),
    ),
  },
  {
    weight: 3,
    arbitrary: named(
      'switch',
      fc.tuple(environmentKey, flagKey, fc.boolean()),
      (project, [environment, flag, enabled]) =>
        stores.targetings.setEnabled(by, at(project, environment, flag), enabled),
    ),
  },
  {
    weight: 2,
    arbitrary: named(
      'percentage',
      fc.tuple(environmentKey, flagKey, percentage),
      (project, [environment, flag, share]) =>
        stores.targetings.setPercentage(by, at(project, environment, flag), { percentage: share, variant: 'on' }),
    ),
  },
  {
    weight: 2,
    arbitrary: named('copy', fc.tuple(environmentKey, environmentKey, flagKey), (project, [environment, from, flag]) =>
      stores.targetings.copy(by, at(project, environment, flag), from),
    ),
  },
  {
    weight: 2,
    arbitrary: named(
      'create cohort',
      fc.record({ key: cohortKey, included: units, rules: cohortRules }),
      (project, input) => stores.cohorts.create(by, project, input),
    ),
  },
  {
    weight: 9,
    arbitrary: named(
      'replace cohort',
      fc.record(
        { key: cohortKey, included: units, excluded: units, rules: cohortRules, attribute: fc.constant('email') },
        { requiredKeys: ['key'] },
      ),
      (project, input) => stores.cohorts.replace(by, project, input.key, input, undefined),
    ),
  },
  {
    weight: 8,
    arbitrary: named(
      'members',
      fc.tuple(cohortKey, fc.record({ list: fc.constantFrom('included', 'excluded'), add: units, remove: units })),
      (project, [key, batch]) => stores.cohorts.changeMembers(by, project, key, batch),
    ),
  },
  {
    weight: 2,
    arbitrary: named('delete cohort', cohortKey, (project, key) => stores.cohorts.delete(by, project, key)),
  },
  {
    weight: 2,
    arbitrary: named(
      'create environment',
      fc.record(
        { key: environmentKey, copyFrom: environmentKey, keepEnabled: fc.boolean() },
        { requiredKeys: ['key'] },
      ),
      (project, input) => stores.environments.create(by, project, input),
    ),
  },
  {
    weight: 1,
    arbitrary: named('delete environment', environmentKey, (project, key) =>
      stores.environments.delete(by, project, key),
    ),
  },
);

/** Whether it was done; what the stores refuse is refused, anything else is a fault. */
async function done({ run }: Write, project: string): Promise<boolean> {
  try {
    await run(project);
    return true;
  } catch (error) {
    if (error instanceof DomainError && !['busy', 'database_unavailable'].includes(error.code)) return false;
    throw error;
  }
}

let projects = 0;
async function emptyProject(): Promise<string> {
  projects += 1;
  const { key } = await stores.projects.create(by, { key: `p${projects}` }, ['e0', 'e1']);
  return key;
}

/** With enough in it that most writes are legal. */
async function newProject(): Promise<string> {
  const project = await emptyProject();
  for (const key of COHORTS) await stores.cohorts.create(by, project, { key });
  for (const key of FLAGS) await stores.flags.create(by, project, { key, type: 'string', variants: VARIANTS.string });
  return project;
}

const environmentIds = async (project: string): Promise<number[]> =>
  (
    await dataSource.query<{ id: number }[]>(
      'SELECT environment.id FROM environment JOIN project ON project.id = project_id WHERE project.key = $1 ORDER BY 1',
      [project],
    )
  ).map(({ id }) => id);

async function loadTagged(id: number): Promise<TaggedSnapshot> {
  const loaded = await snapshots.load(id);
  if (loaded === undefined) throw new Error(`There is no environment ${id}.`);
  return loaded;
}
const load = async (id: number): Promise<Snapshot> => (await loadTagged(id)).snapshot;

/** Who sees which flags, led on by the log. */
async function followTags(id: number, { snapshot, tags }: TaggedSnapshot): Promise<FlagTags> {
  const missed = await snapshots.missed(id, { version: snapshot.version, revision: snapshot.revision ?? '' });
  if (missed.kind !== 'changes') throw new Error(`The log does not lead on from version ${snapshot.version}.`);
  const removed = new Set(missed.changes.flatMap((change) => change.removed?.flags ?? []));
  const kept = Object.entries(tags).filter(([key]) => !removed.has(key));
  const now = Object.entries({ ...Object.fromEntries(kept), ...missed.tags });
  const { flags } = await load(id);
  return Object.fromEntries(now.filter(([key, each]) => each.length > 0 && Object.hasOwn(flags, key)));
}

/** Led on by the log, as a replica is. */
async function follow(id: number, held: Snapshot): Promise<Snapshot> {
  const missed = await snapshots.missed(id, { version: held.version, revision: held.revision ?? '' });
  if (missed.kind !== 'changes')
    throw new Error(`The log does not lead on from version ${held.version}: ${missed.kind}.`);
  const together = applyChanges(held, missed.changes);
  // One by one is the same as together.
  let single: Snapshot | undefined = held;
  for (const change of missed.changes) single = single && applyChange(single, change);
  if (single === undefined || together === undefined) throw new Error('The changes do not follow on each other.');
  expect(comparable(single)).toEqual(comparable(together));
  return together;
}

/** The order of members has no meaning. */
const comparable = (snapshot: Snapshot) => ({
  ...snapshot,
  cohorts: Object.fromEntries(Object.entries(snapshot.cohorts).map(([key, cohort]) => [key, comparableCohort(cohort)])),
});
const comparableCohort = (cohort: Cohort) => ({
  ...cohort,
  included: [...cohort.included].sort(),
  excluded: [...cohort.excluded].sort(),
});

function expectOnlyWhatIsReached({ flags, cohorts }: Snapshot): void {
  expect(Object.keys(cohorts).sort()).toEqual([...reachableCohorts(Object.values(flags), cohorts)].sort());
  // And nothing that is named is missing.
  for (const flag of Object.values(flags)) {
    for (const key of cohortsOf(flag)) expect(cohorts).toHaveProperty([key]);
    for (const key of prerequisitesOf(flag)) expect(flags).toHaveProperty([key]);
  }
  for (const cohort of Object.values(cohorts)) {
    for (const key of cohortsOfCohort(cohort)) expect(cohorts).toHaveProperty([key]);
    for (const unit of cohort.included) expect(cohort.excluded).not.toContain(unit);
  }
}

/** The part of a snapshot that decides one flag. */
function partFor(flag: string, { flags, cohorts, ...head }: Snapshot): Snapshot {
  const keep: Record<string, Flag> = {};
  const add = (key: string): void => {
    const found = Object.hasOwn(flags, key) ? flags[key] : undefined;
    if (found === undefined || Object.hasOwn(keep, key)) return;
    keep[key] = found;
    for (const next of prerequisitesOf(found)) add(next);
  };
  add(flag);
  const reached = reachableCohorts(Object.values(keep), cohorts);
  return {
    ...head,
    flags: keep,
    cohorts: Object.fromEntries(Object.entries(cohorts).filter(([key]) => reached.has(key))),
  };
}

async function expectGaplessHistory(id: number): Promise<void> {
  const rows = await dataSource.query<{ version: number; later: boolean; revision: string; at: string }[]>(
    `SELECT version, revision, at > lag(at, 1, '-infinity') OVER (ORDER BY version) AS later
     FROM environment_change WHERE environment_id = $1 ORDER BY version`,
    [id],
  );
  expect(rows.map(({ version }) => version)).toEqual(rows.map((_, index) => index + 1));
  expect(rows.every(({ later }) => later)).toBe(true);
  expect(new Set(rows.map(({ revision }) => revision)).size).toBe(rows.length);
  const { version, revision } = await load(id);
  expect(rows.at(-1)).toMatchObject({ version, revision });
}

describe('whatever is written', () => {
  it('the changes lead from every earlier version to what is loaded afresh', async () => {
    let drawn = 0;
    let written = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 30, maxLength: 40, size: 'max' }), async (writes) => {
        const project = await newProject();
        const held = new Map<number, Snapshot>();
        const past = new Map<number, TaggedSnapshot[]>();
        for (const id of await environmentIds(project)) held.set(id, await load(id));
        for (const each of writes) {
          const wrote = await done(each, project);
          drawn += 1;
          written += Number(wrote);
          const ids = await environmentIds(project);
          const positions = await snapshots.positions(ids);
          for (const id of ids) {
            const before = held.get(id);
            if (positions.get(id)?.version === before?.version) continue;
            expect(wrote, each.name).toBe(true);
            const tagged = await loadTagged(id);
            const after = tagged.snapshot;
            expectOnlyWhatIsReached(after);
            if (before !== undefined) {
              expect(after.version).toBe(before.version + 1);
              expect(comparable(await follow(id, before)), each.name).toEqual(comparable(after));
            }
            held.set(id, after);
            past.set(id, [...(past.get(id) ?? []), tagged]);
          }
        }
        for (const id of await environmentIds(project)) {
          const { snapshot: now, tags } = await loadTagged(id);
          expect(comparable(held.get(id) ?? now)).toEqual(comparable(now));
          const versions = past.get(id) ?? [];
          for (const earlier of [versions[0], versions[Math.floor(versions.length / 2)]]) {
            if (earlier === undefined) continue;
            expect(comparable(await follow(id, earlier.snapshot))).toEqual(comparable(now));
            expect(await followTags(id, earlier)).toEqual(tags);
          }
          await expectGaplessHistory(id);
        }
      }),
      { numRuns: 8, endOnFailure: true },
    );
    // Enough of what is drawn is legal for something to be shown.
    expect(written).toBeGreaterThan(drawn / 3);
  });

  it('the past of every flag can be read from the log as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 30, maxLength: 40, size: 'max' }), async (writes) => {
        const project = await newProject();
        const past: Snapshot[] = [];
        for (const each of writes) {
          await done(each, project);
          for (const id of await environmentIds(project)) {
            const now = await load(id);
            if (!past.some(({ revision }) => revision === now.revision)) past.push(now);
          }
        }
        const left = new Set((await stores.environments.list(project, { limit: 100 })).items.map(({ key }) => key));
        const revisions = new Set(
          (await dataSource.query<{ revision: string }[]>('SELECT revision FROM environment_change')).map(
            ({ revision }) => revision,
          ),
        );
        for (const then of past) {
          // An environment that was deleted took its past along.
          if (!left.has(then.environment) || !revisions.has(then.revision ?? '')) continue;
          for (const flag of Object.keys(then.flags)) {
            const read = await history.snapshotOf(project, then.environment, flag, { version: then.version });
            expect(comparable(read)).toEqual(comparable(partFor(flag, then)));
          }
        }
      }),
      { numRuns: 3, endOnFailure: true },
    );
  });

  it('by many at once, a reader who follows the log arrives where a loader does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 40, maxLength: 60, size: 'max' }), async (writes) => {
        const project = await newProject();
        const followed = new Map<number, Snapshot>();
        for (const id of await environmentIds(project)) followed.set(id, await load(id));
        const state = { writing: true };
        const reader = (async () => {
          while (state.writing) {
            for (const [id, held] of followed) {
              const missed = await snapshots.missed(id, { version: held.version, revision: held.revision ?? '' });
              if (missed.kind === 'gone') followed.delete(id);
              else followed.set(id, await follow(id, held).catch(() => held));
            }
            await sleep(1);
          }
        })();
        const queue = [...writes];
        const writer = async (): Promise<void> => {
          for (let next = queue.shift(); next !== undefined; next = queue.shift()) await done(next, project);
        };
        await Promise.all([writer(), writer(), writer(), writer()]);
        state.writing = false;
        await reader;
        for (const id of await environmentIds(project)) {
          const held = followed.get(id);
          if (held !== undefined) expect(comparable(await follow(id, held))).toEqual(comparable(await load(id)));
          expectOnlyWhatIsReached(await load(id));
          await expectGaplessHistory(id);
        }
      }),
      { numRuns: 4, endOnFailure: true },
    );
  });
});

describe('the log', () => {
  it('holds no member, so that erasing a unit is one statement', async () => {
    const project = await emptyProject();
    const unit = 'person-who-wants-to-be-forgotten';
    await stores.cohorts.create(by, project, { key: 'c', included: [unit] });
    await stores.flags.create(by, project, { key: 'f', type: 'boolean' });
    const place = at(project, 'e0', 'f');
    const document = { enabled: true, offVariant: 'off', prerequisites: [], fallthrough: { variant: 'off' } };
    const rules = [{ id: 'c', conditions: [{ cohorts: ['c'] }], serve: { variant: 'on' } }];
    await stores.targetings.replace(by, place, { ...document, rules }, undefined);
    await stores.cohorts.changeMembers(by, project, 'c', { list: 'included', add: ['other'], remove: [unit] });
    await stores.cohorts.replace(by, project, 'c', { key: 'c', included: [unit], name: 'again' }, undefined);
    for (const table of ['change', 'environment_change']) {
      const rows = await dataSource.query<unknown[]>(
        `SELECT 1 FROM ${table} AS each WHERE each::text LIKE '%' || $1 || '%'`,
        [unit],
      );
      expect(rows, table).toEqual([]);
    }
    const [, erased] = await dataSource.query<[unknown, number]>('DELETE FROM cohort_member WHERE unit = $1', [unit]);
    expect(erased).toBe(2);
    const [id = 0] = await environmentIds(project);
    expect((await load(id)).cohorts['c']?.included).toEqual([]);
  });

  it('does not lead on from a revision of another history', async () => {
    const project = await emptyProject();
    const [id = 0] = await environmentIds(project);
    await stores.flags.create(by, project, { key: 'f', type: 'boolean' });
    const { version, revision = '' } = await load(id);
    expect(await snapshots.missed(id, { version, revision })).toEqual({ kind: 'changes', changes: [], tags: {} });
    for (const position of [
      { version, revision: `${version}-somebody` },
      { version: version + 1, revision: `${version + 1}-somebody` },
      { version: 0, revision: '' },
    ]) {
      expect(await snapshots.missed(id, position)).toEqual({ kind: 'unknown' });
    }
    expect(await snapshots.missed(1_000_000, { version, revision })).toEqual({ kind: 'gone' });
  });
});
