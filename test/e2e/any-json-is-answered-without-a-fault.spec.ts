import { applyChanges } from '@fledge/evaluation';
import { createDataSource, SnapshotStore } from '@fledge/store';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { prepareRollouts } from '../support/rollout.js';
import { ROUTES, type Route } from '../support/routes.js';
import { sql } from '../support/sql.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ FLEDGE_RECONCILER: 'off' });
  for (const key of ['checkout', 'payments']) {
    await api.admin.post('/projects/default/flags', { key, type: 'boolean' }).expect(201);
  }
  await api.admin.post('/projects/default/cohorts', { key: 'staff', included: ['a'], excluded: ['b'] }).expect(201);
  await prepareRollouts(api);
});
afterAll(() => api.stop());

/** Texts and names that somewhere on the way to Postgres and back mean more than themselves. */
const NASTY = [
  '',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff',
  '😀',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'toJSON',
  'hasOwnProperty',
  'then',
  'length',
  'null',
  'on',
  'off',
  'staff',
  'checkout',
  'targetingKey',
  '$now',
  '.',
  '..',
  'a.b',
  "'; DROP TABLE flag; --",
  '$1',
  '%',
  '{}',
  '[]',
  '/',
  '~',
  '~1',
  'a'.repeat(101),
  'é'.repeat(300),
  '2026-02-30T00:00:00Z',
];
const NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.1,
  1e-7,
  5e-324,
  1.5,
  100,
  100.0001,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  1e21,
  1.7976931348623157e308,
];

/** Mostly what the document knows, so that what is asked reaches deep. */
const json = (names: readonly string[]): fc.Arbitrary<unknown> =>
  fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constantFrom<unknown>(null, true, false, ...NASTY, ...NUMBERS),
      fc.jsonValue({ maxDepth: 2, stringUnit: 'binary' }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.constantFrom(...NASTY)), tie('value'), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
    ),
  })).value;

/** Every name and every place in a body. */
function placesIn(value: unknown, place: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [place];
  const members: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [place, ...members.flatMap(([name, member]) => placesIn(member, [...place, name]))];
}

type Edit = {
  readonly place: readonly (string | number)[];
  readonly value: unknown;
  readonly how: 'replace' | 'remove' | 'add';
};

/** A legal body with some places put out of shape. */
function edited(body: unknown, edits: readonly Edit[]): unknown {
  let result = structuredClone(body);
  for (const { place, value, how } of edits) {
    if (place.length === 0) {
      if (how === 'replace') result = value;
      continue;
    }
    let parent: unknown = result;
    for (const name of place.slice(0, -1)) parent = (parent as Record<string, unknown> | undefined)?.[name];
    if (typeof parent !== 'object' || parent === null) continue;
    const last = String(place.at(-1));
    if (how === 'remove') Reflect.deleteProperty(parent, last);
    else
      Object.defineProperty(parent, how === 'add' ? `${last}x` : last, {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }
  return result;
}

const WRITES = ROUTES.filter((route): route is Route & { body: Record<string, unknown> } => route.body !== undefined);

describe.each(WRITES.map((route) => ({ ...route, name: `${route.method} ${route.path}` })))(
  '$name',
  ({ method, path, body }) => {
    const names = [...new Set(placesIn(body).flatMap((place) => place.filter((name) => typeof name === 'string')))];
    const edit: fc.Arbitrary<Edit> = fc.record({
      place: fc.constantFrom(...placesIn(body)),
      value: json(names),
      how: fc.constantFrom('replace', 'replace', 'remove', 'add'),
    });
    const bodies = fc.oneof(
      { weight: 1, arbitrary: json(names) },
      { weight: 4, arbitrary: fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) => edited(body, edits)) },
    );

    it('answers any body with what it says, never with a fault', async () => {
      await fc.assert(
        fc.asyncProperty(bodies, async (sent) => {
          const answer = await api.admin[method as 'post' | 'put' | 'patch'](path)
            .set('content-type', 'application/json')
            .set(method === 'post' ? { 'if-match': '*' } : {})
            .send(JSON.stringify(sent));
          expect({ status: answer.status, text: answer.status >= 500 ? answer.text : '' }).toEqual({
            status: expect.toSatisfy((status: number) =>
              [200, 201, 202, 404, 409, 412, 422, 428].includes(status),
            ) as number,
            text: '',
          });
          if (answer.status < 300) return;
          expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
          expect(answer.body).toMatchObject({ status: answer.status, code: expect.any(String) as string });
        }),
        { numRuns: 30 },
      );
    });
  },
);

it('after all of that the log still leads to the snapshot', async () => {
  const environments = await sql<{ id: number; revision: string }>(
    api.databaseUrl,
    `SELECT environment_id AS id, revision FROM environment_change WHERE version = 1 ORDER BY 1`,
  );
  expect(environments.length).toBeGreaterThanOrEqual(2);
  const dataSource = await createDataSource({ url: api.databaseUrl }).initialize();
  try {
    const store = new SnapshotStore(dataSource);
    for (const { id, revision } of environments) {
      const loaded = (await store.load(id))?.snapshot;
      const missed = await store.missed(id, { version: 1, revision });
      if (loaded === undefined || missed.kind !== 'changes') throw new Error(`Environment ${id} has no history.`);
      // Both environments of the first start were empty at version 1.
      if (loaded.environment !== 'production' && loaded.environment !== 'development') continue;
      const first = { ...loaded, version: 1, revision, flags: {}, cohorts: {} };
      expect(sorted(applyChanges(first, missed.changes))).toEqual(sorted(loaded));
    }
  } finally {
    await dataSource.destroy();
  }
});

const sorted = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (name, member: unknown) =>
    (name === 'included' || name === 'excluded') && Array.isArray(member) ? member.map(String).sort() : member,
  );
