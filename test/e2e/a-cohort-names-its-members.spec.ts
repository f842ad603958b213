import { evaluate } from '@fledge/evaluation';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { snapshotOf } from '../support/snapshot.js';
import { sql } from '../support/sql.js';

type Body = Record<string, unknown>;
type Member = { readonly unit: string; readonly list: string };

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop({ undoing: true }));

const COHORTS = '/projects/default/cohorts';
let count = 0;
let cohort: string;
let flag: string;
beforeEach(async () => {
  count += 1;
  [cohort, flag] = [`cohort-${count}`, `flag-${count}`];
  await api.admin.post('/projects/default/flags', { key: flag, type: 'boolean' }).expect(201);
});

const create = (body: Body = {}) => api.admin.post(COHORTS, { key: cohort, ...body });
const read = async (path = `${COHORTS}/${cohort}`): Promise<Body> =>
  (await api.admin.get(path).expect(200)).body as Body;
const put = (body: Body, key = cohort) => api.admin.put(`${COHORTS}/${key}`, body).set('if-match', '*');
const batch = (body: Body) => api.admin.post(`${COHORTS}/${cohort}/members`, body);
const members = async (query = ''): Promise<Member[]> =>
  (await read(`${COHORTS}/${cohort}/members?limit=200${query}`))['items'] as Member[];
const units = async (list: string): Promise<string[]> =>
  (await members(`&list=${list}`)).map(({ unit }) => unit).sort((a, b) => a.localeCompare(b));
/** Makes the flag name cohorts, so that the snapshot of production holds them. */
const name = (cohorts: string[], environment?: string) =>
  api.admin
    .put(targetingPath(flag, environment), {
      enabled: true,
      offVariant: 'off',
      prerequisites: [],
      rules: cohorts.length === 0 ? [] : [{ id: 'r', conditions: [{ cohorts }], serve: { variant: 'on' } }],
      fallthrough: { variant: 'off' },
    })
    .set('if-match', '*')
    .expect(200);
const held = async (environment?: string) => (await snapshotOf(api, environment)).cohorts;
const naming = (...cohorts: string[]): Body[] => [{ conditions: [{ cohorts }] }];

describe('a new cohort', () => {
  it('answers 201 with where it is, and shows how many members it has, not which', async () => {
    const rules = [
      {
        conditions: [{ attribute: 'email', operator: 'ends_with', values: ['@example.com'] }],
        gate: { percentage: 10 },
      },
    ];
    const answer = await create({
      name: 'Our own team',
      description: 'x',
      included: ['u1', 'u2', 'u2'],
      excluded: ['u3'],
      rules,
    }).expect(201);
    expect(answer.headers['location']).toBe(`/api/v1/projects/default/cohorts/${cohort}`);
    expect(answer.headers['etag']).toBe('"1"');
    expect(answer.body).toEqual({
      key: cohort,
      project: 'default',
      name: 'Our own team',
      description: 'x',
      attribute: 'targetingKey',
      rules,
      members: { included: 2, excluded: 1 },
      version: 1,
      createdAt: expect.any(String) as string,
      updatedAt: expect.any(String) as string,
      warnings: [],
    });
    expect(await members()).toEqual([
      { unit: 'u1', list: 'included' },
      { unit: 'u2', list: 'included' },
      { unit: 'u3', list: 'excluded' },
    ]);
  });

  it('is refused with every problem', async () => {
    expectInvalid(
      await create({
        attribute: '',
        included: ['a', '', 1, null, '\u0000', '\ud800', 'b'],
        excluded: ['x', 'b'],
        rules: [
          {
            conditions: [{ cohorts: [cohort, 'nope', 'a\u0000b'] }, { attribute: 'a', operator: 'like', values: [] }],
            gate: { percentage: 5, otherwise: 'on' },
          },
          { conditions: 'all', serve: { variant: 'on' } },
        ],
      }),
      '/attribute wrong_type',
      '/included/1 wrong_type',
      '/included/2 wrong_type',
      '/included/3 wrong_type',
      '/included/4 nul_character',
      '/included/5 lone_surrogate',
      '/excluded/1 in_both_lists',
      '/rules/0/conditions/0/cohorts/0 cycle',
      '/rules/0/conditions/0/cohorts/1 unknown_cohort',
      '/rules/0/conditions/0/cohorts/2 nul_character',
      '/rules/0/conditions/0/cohorts/2 unknown_cohort',
      '/rules/0/conditions/1/operator unknown_operator',
      '/rules/0/gate/otherwise no_variants',
      '/rules/1/conditions wrong_type',
      '/rules/1/serve unknown_field',
    );
    for (const list of ['included', 'excluded', 'rules']) {
      for (const wrong of [null, 'u1', { 0: 'u1' }, 1])
        expectInvalid(await create({ [list]: wrong }), `/${list} wrong_type`);
    }
    expectInvalid(await create({ key: 'a b' }), '/key format');
    await create().expect(201);
    expectProblem(await create({ key: cohort.toUpperCase() }), 409, 'key_taken');
  });

  it('changes no environment until a flag names it', async () => {
    const before = await snapshotOf(api);
    await create({ included: ['u1'] }).expect(201);
    expect(await snapshotOf(api)).toEqual(before);
  });
});

describe('members', () => {
  it('come and go in batches, of which only what is new counts', async () => {
    await create({ included: ['a', 'b'], excluded: ['x'] }).expect(201);
    const answer = await batch({
      list: 'included',
      add: ['b', 'c', 'd', 'd'],
      remove: ['a', 'z'],
      comment: 'moves',
    }).expect(200);
    expect(answer.body).toMatchObject({
      added: 2,
      removed: 1,
      members: { included: 3, excluded: 1 },
      version: 2,
      warnings: [],
    });
    expect(await units('included')).toEqual(['b', 'c', 'd']);
    expect(await units('excluded')).toEqual(['x']);
    expect(await read()).toMatchObject({ members: { included: 3, excluded: 1 } });
    // Who left may come back, to either list.
    await batch({ list: 'excluded', add: ['a'] }).expect(200);
    expect(await units('excluded')).toEqual(['a', 'x']);
    const { items } = await read(`/projects/default/changes?type=members&key=${cohort}`);
    expect(items).toMatchObject([
      { action: 'cohort.members', after: { list: 'excluded', added: 1, removed: 0 } },
      { action: 'cohort.members', comment: 'moves', after: { list: 'included', added: 2, removed: 1 } },
    ]);
  });

  it('are refused when the other list holds them, or when they come and go at once', async () => {
    await create({ included: ['a', 'b'], excluded: ['x'] }).expect(201);
    expectInvalid(
      await batch({ list: 'excluded', add: ['c', 'a', 'b'] }),
      '/add/1 in_both_lists',
      '/add/2 in_both_lists',
    );
    expectInvalid(await batch({ list: 'included', add: ['n'], remove: ['a', 'n'] }), '/remove/1 in_both_lists');
    // Removing from a list that does not hold it changes nothing.
    expect((await batch({ list: 'excluded', remove: ['a'] }).expect(200)).body).toMatchObject({
      removed: 0,
      version: 1,
    });
    expect(await read()).toMatchObject({ members: { included: 2, excluded: 1 }, version: 1 });
  });

  it('that are no units are refused, each by its place', async () => {
    await create().expect(201);
    expectInvalid(
      await batch({ list: 'included', add: ['ok', '', 1, null, 'a\u0000'], remove: [{}, '\ud800'] }),
      '/add/1 wrong_type',
      '/add/2 wrong_type',
      '/add/3 wrong_type',
      '/add/4 nul_character',
      '/remove/0 wrong_type',
      '/remove/1 lone_surrogate',
    );
    expectInvalid(await batch({ add: null, remove: 'x' }), '/list missing', '/add wrong_type', '/remove wrong_type');
    expectInvalid(await batch({ list: 'both' }), '/list unknown_value');
    expectInvalid(
      await batch({ list: 'included', add: Array.from({ length: 10_001 }, (_, index) => `u${index}`) }),
      '/add too_many',
    );
  });

  it('are found by text, with its wildcards taken as they are', async () => {
    const strange = ['100%', '1000', 'a_b', 'axb', 'back\\slash', "quo'te", '😀', 'Ünïcode', 'MiXed'];
    await create({ included: strange }).expect(201);
    const find = async (q: string) => (await members(`&q=${encodeURIComponent(q)}`)).map(({ unit }) => unit);
    expect(await find('%')).toEqual(['100%']);
    expect(await find('_')).toEqual(['a_b']);
    expect(await find('\\')).toEqual(['back\\slash']);
    expect(await find("'")).toEqual(["quo'te"]);
    expect(await find('😀')).toEqual(['😀']);
    expect(await find('mixed')).toEqual(['MiXed']);
    expect(await find('ünï')).toEqual(['Ünïcode']);
    expect(await find('nobody')).toEqual([]);
  });

  it('are listed page by page in the order in which they came', async () => {
    const all = Array.from({ length: 25 }, (_, index) => `u${index}`);
    await create({ included: all }).expect(201);
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = (await read(`${COHORTS}/${cohort}/members?limit=10${cursor}`)) as {
        items: Member[];
        nextCursor: string | null;
      };
      seen.push(...page.items.map(({ unit }) => unit));
      cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`;
      // Who comes meanwhile is at the end, who goes is not missed.
      if (seen.length === 10) await batch({ list: 'included', add: ['late'], remove: ['u3'] }).expect(200);
    } while (cursor !== '');
    expect(seen).toEqual([...all, 'late']);
  });

  it('may be long and strange, and decide as they are', async () => {
    const strange = ['x'.repeat(10_000), ' ', '\n', '😀', "'; DROP TABLE cohort; --", '__proto__', 'constructor'];
    await create({ included: strange.slice(0, 3) }).expect(201);
    await batch({ list: 'included', add: strange.slice(3) }).expect(200);
    await name([cohort]);
    const snapshot = await snapshotOf(api);
    for (const targetingKey of strange)
      expect(evaluate(snapshot, flag, { targetingKey }, 0)).toMatchObject({ value: true });
    expect(evaluate(snapshot, flag, { targetingKey: 'somebody' }, 0)).toMatchObject({ value: false });
    expectInvalid(await batch({ list: 'included', add: ['x'.repeat(10_001)] }), '/add/0 too_long');
  });
});

describe('replacing a cohort', () => {
  it('replaces the document, and of the lists those that the body brings', async () => {
    await create({
      name: 'x',
      description: 'x',
      attribute: 'email',
      included: ['a', 'b'],
      excluded: ['x'],
      rules: [{ conditions: [] }],
    }).expect(201);
    const answer = await put({ included: ['b', 'c'] }).expect(200);
    expect(answer.body).toMatchObject({
      name: cohort,
      description: '',
      attribute: 'targetingKey',
      rules: [],
      members: { included: 2, excluded: 1 },
      version: 2,
    });
    expect([await units('included'), await units('excluded')]).toEqual([['b', 'c'], ['x']]);
    await put({ included: [], excluded: ['b', 'x'] }).expect(200);
    expect([await units('included'), await units('excluded')]).toEqual([[], ['b', 'x']]);
  });

  it('is refused when a unit would be in both lists, also with the list that stays', async () => {
    await create({ included: ['a', 'b'], excluded: ['x'] }).expect(201);
    expectInvalid(await put({ included: ['a'], excluded: ['a'] }), '/excluded/0 in_both_lists');
    const kept = expectProblem(await put({ excluded: ['x', 'b'] }), 422, 'invalid');
    expect(kept.errors).toMatchObject([{ code: 'in_both_lists' }]);
    for (const wrong of [null, 'a', [1]]) expectProblem(await put({ included: wrong }), 422, 'invalid');
    expect([await units('included'), await units('excluded')]).toEqual([['a', 'b'], ['x']]);
  });

  it('of a cohort that is not there is answered 404, like everything else about it', async () => {
    for (const request of [
      put({}, 'nope'),
      api.admin.get(`${COHORTS}/nope`),
      api.admin.delete(`${COHORTS}/nope`),
      api.admin.get(`${COHORTS}/nope/members`),
      api.admin.post(`${COHORTS}/nope/members`, { list: 'included', add: ['a'] }),
      api.admin.get('/projects/nope/cohorts'),
      api.admin.post('/projects/nope/cohorts', { key: 'a' }),
    ]) {
      expectProblem(await request, 404, 'not_found');
    }
  });
});

describe('what SDKs see', () => {
  it('holds the cohorts that flags reach and no others; they come and go with being named', async () => {
    const [inner, outer] = [`${cohort}-inner`, `${cohort}-outer`];
    const own = async (environment?: string) =>
      Object.keys(await held(environment))
        .filter((key) => key === cohort || key.startsWith(`${cohort}-`))
        .sort();
    await create({ included: ['u1'] }).expect(201);
    await create({ key: inner, included: ['u2'], rules: naming(cohort) }).expect(201);
    await create({ key: outer, rules: naming(inner) }).expect(201);
    expect(await own()).toEqual([]);

    await name([outer]);
    expect(await own()).toEqual([cohort, inner, outer]);
    expect((await held())[cohort]).toMatchObject({ key: cohort, included: ['u1'], excluded: [] });
    // Not where nothing names them.
    expect(await own('development')).toEqual([]);
    await put({ rules: [] }, inner).expect(200);
    expect(await own()).toEqual([inner, outer]);
    await put({ rules: naming(cohort) }, outer).expect(200);
    expect(await own()).toEqual([cohort, outer]);

    await api.admin.post(`/projects/default/flags/${flag}/archive`).expect(200);
    expect(await own()).toEqual([]);
    await api.admin.post(`/projects/default/flags/${flag}/restore`).expect(200);
    expect(await own()).toEqual([cohort, outer]);
    await name([]);
    expect(await own()).toEqual([]);
  });

  it('moves on with members and rules, only in environments that hold the cohort, and by no more than what changed', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `unit-${index}`);
    await create({ included: many }).expect(201);
    await name([cohort]);
    const before = { production: await snapshotOf(api), development: await snapshotOf(api, 'development') };
    await batch({ list: 'included', add: ['newcomer'], remove: ['unit-7'] }).expect(200);
    const after = await snapshotOf(api);
    expect(after.version).toBe(before.production.version + 1);
    expect(await snapshotOf(api, 'development')).toEqual(before.development);
    const decide = (targetingKey: string) => evaluate(after, flag, { targetingKey }, 0).value;
    expect([decide('newcomer'), decide('unit-7'), decide('unit-8')]).toEqual([true, false, true]);
    const [row] = await sql<{ size: number }>(
      api.databaseUrl,
      `SELECT length(patch::text) AS size FROM environment_change WHERE version = $1 ORDER BY change_id DESC LIMIT 1`,
      [after.version],
    );
    expect(row?.size).toBeLessThan(200);

    await put({ attribute: 'email' }).expect(200);
    expect((await held())[cohort]).toMatchObject({ attribute: 'email' });
    // A name is for people, not for SDKs, but a document that is replaced is sent.
    expect((await snapshotOf(api, 'development')).version).toBe(before.development.version);
  });

  it('decides excluded before included before rules', async () => {
    await create({
      included: ['in'],
      excluded: ['out'],
      rules: [{ conditions: [{ attribute: 'plan', operator: 'in', values: ['pro'] }] }],
    }).expect(201);
    await name([cohort]);
    const snapshot = await snapshotOf(api);
    const decide = (context: Record<string, string>) => evaluate(snapshot, flag, context, 0).value;
    expect(decide({ targetingKey: 'in' })).toBe(true);
    expect(decide({ targetingKey: 'out', plan: 'pro' })).toBe(false);
    expect(decide({ targetingKey: 'else', plan: 'pro' })).toBe(true);
    expect(decide({ targetingKey: 'else', plan: 'free' })).toBe(false);
  });
});

describe('cohorts that name cohorts', () => {
  it('are refused when they would go in a circle or too deep', async () => {
    const chain = Array.from({ length: 12 }, (_, index) => `${cohort}-${index}`);
    for (const key of chain) await create({ key }).expect(201);
    for (let index = 9; index >= 0; index -= 1)
      await put({ rules: naming(chain[index + 1] ?? '') }, chain[index]).expect(200);
    for (const [from, to] of [
      [10, 0],
      [10, 10],
      [5, 2],
    ] as const) {
      expectInvalid(
        await put({ rules: naming(chain[to] ?? '') }, chain[from]),
        '/rules/0/conditions/0/cohorts/0 cycle',
      );
    }
    expectInvalid(await put({ rules: naming(chain[0] ?? '') }, chain[11]), '/rules/0/conditions/0/cohorts/0 too_deep');
  });
});

describe('deleting a cohort', () => {
  it('is refused while anything names it, with every reference', async () => {
    const [other, archived] = [`${cohort}-other`, `${flag}-archived`];
    await create().expect(201);
    await create({ key: other, rules: naming(cohort) }).expect(201);
    await name([cohort]);
    await name([cohort], 'development');
    await api.admin.post('/projects/default/flags', { key: archived, type: 'boolean' }).expect(201);
    await api.admin.post(`${targetingPath(archived)}/copy`, { from: 'production' }).expect(200);
    const rules = [{ id: 'r', conditions: [{ cohorts: [cohort], negate: true }], serve: { variant: 'on' } }];
    const targeting = { enabled: false, offVariant: 'off', prerequisites: [], rules, fallthrough: null };
    await api.admin.put(targetingPath(archived), targeting).set('if-match', '*').expect(200);
    await api.admin.post(`/projects/default/flags/${archived}/archive`).expect(200);

    const { references } = expectProblem(await api.admin.delete(`${COHORTS}/${cohort}`), 409, 'referenced');
    expect(references).toEqual([
      { environment: 'development', flag, archived: false },
      { environment: 'production', flag, archived: false },
      { environment: 'production', flag: archived, archived: true },
      { cohort: other },
    ]);
    await name([]);
    await name([], 'development');
    await put({}, other).expect(200);
    await api.admin.delete(`/projects/default/flags/${archived}`).expect(204);
    const gone = await api.admin.delete(`${COHORTS}/${cohort}?comment=unused`).expect(204);
    expect(gone.text).toBe('');
    expectProblem(await api.admin.get(`${COHORTS}/${cohort}`), 404, 'not_found');
    expectProblem(await api.admin.get(`${COHORTS}/${cohort}/members`), 404, 'not_found');
    expect((await read(`/projects/default/changes?type=cohort&key=${cohort}`))['items']).toMatchObject([
      { action: 'cohort.deleted', comment: 'unused', before: { key: cohort }, after: null },
      { action: 'cohort.created' },
    ]);
  });

  it('lets a new one of the same key begin empty', async () => {
    await create({ included: ['a'] }).expect(201);
    await api.admin.delete(`${COHORTS}/${cohort}`).expect(204);
    await create({ excluded: ['a'] }).expect(201);
    expect([await units('included'), await units('excluded')]).toEqual([[], ['a']]);
    await name([cohort]);
    expect((await held())[cohort]).toMatchObject({ included: [], excluded: ['a'] });
  });
});
