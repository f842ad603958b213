import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { snapshotOf } from '../support/snapshot.js';

type Body = Record<string, unknown>;

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop({ undoing: true }));

let count = 0;
const key = (): string => `flag-${(count += 1)}`;
const FLAGS = '/projects/default/flags';
const create = (body: Body) => api.admin.post(FLAGS, body);
async function made(body: Body = { type: 'boolean' }): Promise<string> {
  const name = key();
  await create({ key: name, ...body }).expect(201);
  return name;
}
const read = async (path: string): Promise<Body> => (await api.admin.get(path).expect(200)).body as Body;
const put = (flag: string, targeting: Body, environment = 'production') =>
  api.admin
    .put(targetingPath(flag, environment), {
      enabled: true,
      offVariant: null,
      prerequisites: [],
      rules: [],
      fallthrough: null,
      ...targeting,
    })
    .set('if-match', '*');
const snapshotFlags = async (environment?: string) => (await snapshotOf(api, environment)).flags;

describe('a new flag', () => {
  it('answers 201 with where it is, and is disabled in every environment', async () => {
    const flag = key();
    const answer = await create({
      key: flag,
      name: 'New checkout',
      type: 'boolean',
      description: 'The one-page checkout.',
      tags: ['payments', 'web', 'payments'],
      permanent: false,
      owner: 'team-payments',
      metadata: { jira: 'PAY-7' },
      comment: 'here it comes',
    }).expect(201);
    expect(answer.headers['location']).toBe(`/api/v1/projects/default/flags/${flag}`);
    expect(answer.headers['etag']).toBe('"1"');
    expect(answer.body).toEqual({
      key: flag,
      project: 'default',
      type: 'boolean',
      name: 'New checkout',
      description: 'The one-page checkout.',
      variants: { on: true, off: false },
      variantInfo: {},
      defaultVariant: 'on',
      tags: ['payments', 'web'],
      permanent: false,
      owner: 'team-payments',
      metadata: { jira: 'PAY-7' },
      archivedAt: null,
      version: 1,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      warnings: [],
    });
    for (const environment of ['development', 'production']) {
      expect(await read(targetingPath(flag, environment))).toMatchObject({
        key: flag,
        environment,
        enabled: false,
        offVariant: 'off',
        prerequisites: [],
        rules: [],
        fallthrough: { variant: 'on' },
      });
    }
  });

  it('of type boolean may bring its own variants, and serves the true one once enabled', async () => {
    const flag = await made({ type: 'boolean', variants: { no: false, yes: true, also: true } });
    expect(await read(`${FLAGS}/${flag}`)).toMatchObject({ defaultVariant: 'yes' });
    expect(await read(targetingPath(flag))).toMatchObject({ offVariant: 'no', fallthrough: { variant: 'yes' } });
  });

  it('of another type begins with the first variant of the request, and the caller’s default while off', async () => {
    const types: [type: string, variants: Body][] = [
      ['string', { zebra: 'Hello', a: '', b: '😀' }],
      ['number', { zebra: 0, a: -1.5, b: 2 ** 53 - 1 }],
      ['object', { zebra: {}, a: [], b: { deep: [{ er: null }] }, constructor: { toString: 1 } }],
    ];
    for (const [type, variants] of types) {
      const flag = await made({ type, variants });
      expect(await read(`${FLAGS}/${flag}`)).toMatchObject({ type, variants, defaultVariant: 'zebra' });
      expect(await read(targetingPath(flag))).toMatchObject({ offVariant: null, fallthrough: { variant: 'zebra' } });
      expect((await snapshotFlags())[flag]).toMatchObject({ type, variants, enabled: false });
    }
  });

  it('may be called like anything an object has', async () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty', 'a.b-c_d', '0', 'x'.repeat(100)]) {
      await create({ key: name, type: 'boolean' }).expect(201);
      expect(await read(`${FLAGS}/${name}`)).toMatchObject({ key: name });
      expect((await snapshotFlags())[name]).toMatchObject({ key: name });
    }
  });

  it('is refused when its key is none', async () => {
    for (const name of ['', '.', '..', '-a', '_a', '.a', 'a b', 'ä', 'a/b', 'x'.repeat(101), 'a\n']) {
      expectInvalid(await create({ key: name, type: 'boolean' }), '/key format');
    }
  });

  it('is refused when its key is taken, regardless of case', async () => {
    const flag = await made();
    for (const name of [flag, flag.toUpperCase()]) {
      const { errors } = expectProblem(await create({ key: name, type: 'boolean' }), 409, 'key_taken');
      expect(errors).toMatchObject([{ pointer: '/key', code: 'key_taken' }]);
    }
    // Also while it is archived; another project is another matter.
    await api.admin.post(`${FLAGS}/${flag}/archive`).expect(200);
    expectProblem(await create({ key: flag, type: 'boolean' }), 409, 'key_taken');
    await api.admin.post('/projects', { key: 'elsewhere' }).expect(201);
    await api.admin.post('/projects/elsewhere/flags', { key: flag, type: 'boolean' }).expect(201);
  });

  it('is refused with every problem of its variants and metadata', async () => {
    expectInvalid(await create({ key: 'f', type: 'string' }), '/variants empty');
    expectInvalid(
      await create({
        key: 'f',
        type: 'number',
        variants: { a: '1', 'b c': 1, d: true, D: 2, e: null, f: 2 ** 53 },
        variantInfo: { x: {}, a: { name: 1, other: 'x' }, d: null },
        metadata: { version: 1, arm: 'x', nested: {}, list: [], none: null },
      }),
      '/variants/a wrong_type',
      '/variants/b c invalid_key',
      '/variants/d wrong_type',
      '/variants/D duplicate',
      '/variants/e wrong_type',
      '/variants/f unsafe_integer',
      '/variantInfo/x unknown_variant',
      '/variantInfo/a/name wrong_type',
      '/variantInfo/a/other unknown_field',
      '/variantInfo/d wrong_type',
      '/metadata/version reserved',
      '/metadata/arm reserved',
      '/metadata/nested wrong_type',
      '/metadata/list wrong_type',
      '/metadata/none wrong_type',
    );
    expectInvalid(
      await create({ key: 'f', type: 'object', variants: { a: null, b: 'x', c: 1 } }),
      '/variants/a wrong_type',
      '/variants/b wrong_type',
      '/variants/c wrong_type',
    );
    expectInvalid(
      await create({ key: 'f', type: 'boolean', metadata: { a: 'x'.repeat(1_100) } }),
      '/metadata too_large',
    );
    expectInvalid(
      await create({
        key: 'f',
        type: 'boolean',
        metadata: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`k${index}`, 1])),
      }),
      '/metadata too_many',
    );
    expectInvalid(
      await create({ key: 'f', type: 'string', variants: { a: 'x'.repeat(65_536) } }),
      '/variants/a too_large',
      '/variants/a too_long',
    );
    expectInvalid(
      await create({
        key: 'f',
        type: 'string',
        variants: Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`v${index}`, ''])),
      }),
      '/variants too_many',
    );
  });
});

describe('an edit', () => {
  it('merges what it brings, and null takes away', async () => {
    const flag = await made({
      type: 'boolean',
      name: 'Name',
      description: 'Text',
      owner: 'me',
      tags: ['a'],
      permanent: true,
      metadata: { keep: 1, drop: 2, change: 3 },
      variantInfo: { on: { name: 'On', description: 'x' }, off: { name: 'Off' } },
    });
    const edited = await api.admin
      .patch(`${FLAGS}/${flag}`, {
        metadata: { drop: null, change: 'x', add: true },
        variantInfo: { on: { description: null, name: 'Yes' }, off: null },
      })
      .expect(200);
    expect(edited.body).toMatchObject({
      name: 'Name',
      description: 'Text',
      owner: 'me',
      tags: ['a'],
      permanent: true,
      metadata: { keep: 1, change: 'x', add: true },
      variantInfo: { on: { name: 'Yes' } },
      version: 2,
    });
    const cleared = {
      name: null,
      description: null,
      owner: null,
      tags: null,
      permanent: null,
      metadata: null,
      variantInfo: null,
    };
    expect(
      (await api.admin.patch(`${FLAGS}/${flag}`, { ...cleared, defaultVariant: null }).expect(200)).body,
    ).toMatchObject({
      name: flag,
      description: '',
      owner: null,
      tags: [],
      permanent: false,
      metadata: {},
      variantInfo: {},
      defaultVariant: null,
    });
  });

  it('replaces variants whole', async () => {
    const flag = await made({ type: 'string', variants: { a: '1', b: '2' } });
    await api.admin.patch(`${FLAGS}/${flag}`, { variants: { a: '1', c: '3' } }).expect(200);
    expect(await read(`${FLAGS}/${flag}`)).toMatchObject({ variants: { a: '1', c: '3' } });
    expect((await snapshotFlags())[flag]?.variants).toEqual({ a: '1', c: '3' });
  });

  it('cannot change key or type, nor make a variant of another type', async () => {
    const flag = await made();
    expectInvalid(
      await api.admin.patch(`${FLAGS}/${flag}`, { key: 'other', type: 'string' }),
      '/key unknown_field',
      '/type unknown_field',
    );
    expectInvalid(
      await api.admin.patch(`${FLAGS}/${flag}`, { variants: { on: 'yes', off: false } }),
      '/variants/on wrong_type',
    );
    expectInvalid(await api.admin.patch(`${FLAGS}/${flag}`, { variants: null }), '/variants wrong_type');
    expectInvalid(await api.admin.patch(`${FLAGS}/${flag}`, { variants: {} }), '/variants empty');
    expectInvalid(
      await api.admin.patch(`${FLAGS}/${flag}`, { defaultVariant: 'nope' }),
      '/defaultVariant unknown_variant',
    );
  });

  it('cannot take away a variant that anything serves or names: 409 with every reference', async () => {
    const variants = { a: 'a', b: 'b', c: 'c', d: 'd', e: 'e', free: 'f' };
    const flag = await made({ type: 'string', variants });
    const dependent = await made();
    const archived = await made();
    await put(flag, {
      offVariant: 'b',
      rules: [
        {
          id: 'r',
          conditions: [],
          gate: { percentage: 1, otherwise: 'c' },
          serve: {
            split: [
              { variant: 'd', weight: 1 },
              { variant: 'free', weight: 0 },
            ],
          },
        },
      ],
      fallthrough: { variant: 'd' },
    }).expect(200);
    await put(flag, { fallthrough: { split: [{ variant: 'c', weight: 1 }] } }, 'development').expect(200);
    await put(dependent, { prerequisites: [{ flag, variants: ['e', 'd'] }] }).expect(200);
    await put(archived, { prerequisites: [{ flag, variants: ['e'] }] }, 'development').expect(200);
    await api.admin.post(`${FLAGS}/${archived}/archive`).expect(200);

    const answer = await api.admin.patch(`${FLAGS}/${flag}`, { variants: { free: 'f' } });
    const { references } = expectProblem(answer, 409, 'referenced') as unknown as { references: Body[] };
    expect(references).toEqual(
      expect.arrayContaining([
        { flag, defaultVariant: 'a' },
        { environment: 'production', flag, variant: 'b' },
        { environment: 'production', flag, variant: 'c' },
        { environment: 'production', flag, variant: 'd' },
        { environment: 'development', flag, variant: 'c' },
        { environment: 'production', flag: dependent, variants: ['e'] },
        { environment: 'production', flag: dependent, variants: ['d'] },
        { environment: 'development', flag: archived, variants: ['e'] },
      ]),
    );
    expect(references).toHaveLength(8);
    expect(await read(`${FLAGS}/${flag}`)).toMatchObject({ variants, version: 1 });
    // Even a share of 0 is a name.
    expectProblem(
      await api.admin.patch(`${FLAGS}/${flag}`, { variants: { ...variants, free: undefined } }),
      409,
      'referenced',
    );
    // What nothing names may go, once the default is another.
    await put(flag, { fallthrough: { variant: 'd' } }).expect(200);
    await api.admin
      .patch(`${FLAGS}/${flag}`, { variants: { c: 'c', d: 'd', e: 'e' }, defaultVariant: 'd' })
      .expect(200);
  });
});

describe('archiving', () => {
  it('takes a flag out of every snapshot and list, and restoring brings it back disabled', async () => {
    const flag = await made();
    await api.admin.post(`${targetingPath(flag)}/percentage`, { percentage: 25 }).expect(200);
    const archived = await api.admin.post(`${FLAGS}/${flag}/archive`, { comment: 'done with it' }).expect(200);
    expect(archived.body).toMatchObject({ archivedAt: expect.any(String) as string, version: 2 });
    for (const environment of ['development', 'production'])
      expect(await snapshotFlags(environment)).not.toHaveProperty([flag]);
    const keys = async (path: string) => ((await read(path))['items'] as Body[]).map((item) => item['key']);
    expect(await keys(`${FLAGS}?limit=200`)).not.toContain(flag);
    expect(await keys(`${FLAGS}?limit=200&archived=true`)).toContain(flag);
    expect(await keys('/projects/default/environments/production/flags?limit=200')).not.toContain(flag);
    expect(await keys('/projects/default/environments/production/flags?limit=200&archived=true')).toContain(flag);
    // It can still be read.
    await read(`${FLAGS}/${flag}`);
    await read(targetingPath(flag));

    await api.admin.post(`${FLAGS}/${flag}/restore`).expect(200);
    expect(await read(`${FLAGS}/${flag}`)).toMatchObject({ archivedAt: null, version: 3 });
    expect(await read(targetingPath(flag))).toMatchObject({
      enabled: false,
      rules: [{ id: 'percentage', gate: { percentage: 25 } }],
    });
    expect((await snapshotFlags())[flag]).toMatchObject({ enabled: false });
  });

  it('stops every change of the targeting: 409', async () => {
    const flag = await made();
    await api.admin.post(`${FLAGS}/${flag}/archive`).expect(200);
    const place = targetingPath(flag);
    expectProblem(await put(flag, {}), 409, 'archived');
    expectProblem(await api.admin.post(`${place}/enable`), 409, 'archived');
    expectProblem(await api.admin.post(`${place}/disable`), 409, 'archived');
    expectProblem(await api.admin.post(`${place}/percentage`, { percentage: 1 }), 409, 'archived');
    expectProblem(await api.admin.post(`${place}/copy`, { from: 'development' }), 409, 'archived');
  });

  it('is refused while a prerequisite names the flag, with every reference', async () => {
    const [base, one, two] = [await made(), await made(), await made()];
    await put(one, { prerequisites: [{ flag: base, variants: ['on', 'off'] }] }).expect(200);
    await put(two, { prerequisites: [{ flag: base, variants: ['on'] }] }, 'development').expect(200);
    const { references } = expectProblem(await api.admin.post(`${FLAGS}/${base}/archive`), 409, 'referenced');
    expect(references).toEqual([
      { environment: 'development', flag: two, variants: ['on'] },
      { environment: 'production', flag: one, variants: ['on', 'off'] },
    ]);
    await api.admin.post(`${FLAGS}/${one}/archive`).expect(200);
    await put(two, {}, 'development').expect(200);
    await api.admin.post(`${FLAGS}/${base}/archive`).expect(200);
    // What needs an archived flag cannot come back before it.
    const refused = expectProblem(await api.admin.post(`${FLAGS}/${one}/restore`), 409, 'referenced');
    expect(refused['references']).toMatchObject([{ environment: 'production', flag: base }]);
    // Nor can the archived flag be deleted while an archived one needs it.
    expectProblem(await api.admin.delete(`${FLAGS}/${base}`), 409, 'referenced');
    await api.admin.post(`${FLAGS}/${base}/restore`).expect(200);
    await api.admin.post(`${FLAGS}/${one}/restore`).expect(200);
    expect((await snapshotFlags())[one]).toMatchObject({ enabled: false, prerequisites: [{ flag: base }] });
  });

  it('twice is once', async () => {
    const flag = await made();
    await api.admin.post(`${FLAGS}/${flag}/archive`).expect(200);
    expect((await api.admin.post(`${FLAGS}/${flag}/archive`).expect(200)).body).toMatchObject({ version: 2 });
  });
});

describe('deleting', () => {
  it('is for archived flags only, and for good', async () => {
    const flag = await made();
    expectProblem(await api.admin.delete(`${FLAGS}/${flag}`), 409, 'not_archived');
    await api.admin.post(`${FLAGS}/${flag}/archive`).expect(200);
    const gone = await api.admin.delete(`${FLAGS}/${flag}?comment=cleaned%20up`).expect(204);
    expect(gone.text).toBe('');
    for (const path of [`${FLAGS}/${flag}`, targetingPath(flag)])
      expectProblem(await api.admin.get(path), 404, 'not_found');
    expectProblem(await api.admin.delete(`${FLAGS}/${flag}`), 404, 'not_found');
    const { items } = (await read(`/projects/default/changes?type=flag&key=${flag}`)) as { items: Body[] };
    expect(items.map(({ action, comment }) => [action, comment])).toEqual([
      ['flag.deleted', 'cleaned up'],
      ['flag.archived', null],
      ['flag.created', null],
    ]);
    // The key is free again, for another flag.
    await create({ key: flag, type: 'string', variants: { a: 'x' } }).expect(201);
  });
});

describe('what is not there', () => {
  it('is answered 404, whichever part of the path is missing', async () => {
    const flag = await made();
    const body = { enabled: true, offVariant: null, prerequisites: [], rules: [], fallthrough: null, version: 1 };
    for (const request of [
      api.admin.get(`${FLAGS}/nope`),
      api.admin.get(`/projects/nope/flags/${flag}`),
      api.admin.get('/projects/nope/flags'),
      api.admin.post('/projects/nope/flags', { key: 'a', type: 'boolean' }),
      api.admin.patch(`${FLAGS}/nope`, { name: 'x' }),
      api.admin.delete(`${FLAGS}/nope`),
      api.admin.post(`${FLAGS}/nope/archive`),
      api.admin.post(`${FLAGS}/nope/restore`),
      api.admin.get('/projects/default/environments/nope/flags'),
      api.admin.get(targetingPath('nope')),
      api.admin.get(targetingPath(flag, 'nope')),
      api.admin.put(targetingPath('nope'), body),
      api.admin.put(targetingPath(flag, 'nope'), body),
      api.admin.post(`${targetingPath('nope')}/enable`),
      api.admin.post(`${targetingPath('nope')}/disable`),
      api.admin.post(`${targetingPath('nope')}/percentage`, { percentage: 1 }),
      api.admin.post(`${targetingPath('nope')}/copy`, { from: 'development' }),
    ]) {
      expectProblem(await request, 404, 'not_found');
    }
  });
});

describe('a limit', () => {
  it('is configured by FLEDGE_LIMIT_*, and named when it refuses', async () => {
    const small = await startApi({
      FLEDGE_LIMIT_FLAGS_PER_PROJECT: '2',
      FLEDGE_LIMIT_COHORTS_PER_PROJECT: '1',
      FLEDGE_LIMIT_ENVIRONMENTS_PER_PROJECT: '3',
      FLEDGE_LIMIT_RULES_PER_FLAG: '1',
      FLEDGE_LIMIT_CONDITIONS_PER_RULE: '1',
      FLEDGE_LIMIT_VALUES_PER_CONDITION: '1',
      FLEDGE_LIMIT_VARIANTS_PER_FLAG: '2',
      FLEDGE_LIMIT_BYTES_PER_VALUE: '10',
      FLEDGE_LIMIT_MEMBERS_PER_COHORT: '3',
      FLEDGE_LIMIT_REFERENCE_DEPTH: '1',
    });
    try {
      const flags = (body: Body) => small.admin.post(FLAGS, body);
      expectInvalid(
        await flags({ key: 'f', type: 'string', variants: { a: '', b: '', c: 'x'.repeat(11) } }),
        '/variants too_many',
        '/variants/c too_large',
      );
      await flags({ key: 'one', type: 'boolean' }).expect(201);
      await flags({ key: 'two', type: 'boolean' }).expect(201);
      const refusals = [
        [await flags({ key: 'three', type: 'boolean' }), 'flagsPerProject', 2],
        [await small.admin.post('/projects/default/environments', { key: 'third' }), undefined, 0],
        [await small.admin.post('/projects/default/environments', { key: 'fourth' }), 'environmentsPerProject', 3],
        [await small.admin.post('/projects/default/cohorts', { key: 'a', included: ['u1', 'u2'] }), undefined, 0],
        [await small.admin.post('/projects/default/cohorts', { key: 'b' }), 'cohortsPerProject', 1],
        [
          await small.admin.post('/projects/default/cohorts/a/members', { list: 'included', add: ['u3'] }),
          undefined,
          0,
        ],
        [
          await small.admin.post('/projects/default/cohorts/a/members', { list: 'excluded', add: ['u4'] }),
          'membersPerCohort',
          3,
        ],
      ] as const;
      for (const [answer, limit, maximum] of refusals) {
        if (limit === undefined) expect(answer.status).toBeLessThan(300);
        else
          expect(expectProblem(answer, 422, 'limit_reached')).toMatchObject({
            limit,
            maximum,
            detail: expect.stringContaining(limit) as string,
          });
      }
      const rule = {
        id: 'a',
        conditions: [{ attribute: 'x', operator: 'in', values: ['1'] }],
        serve: { variant: 'on' },
      };
      const targeting = { enabled: true, offVariant: 'off', prerequisites: [], rules: [rule], fallthrough: null };
      const send = (change: Body) =>
        small.admin.put(targetingPath('one'), { ...targeting, ...change }).set('if-match', '*');
      await send({}).expect(200);
      expectInvalid(await send({ rules: [rule, { ...rule, id: 'b' }] }), '/rules too_many');
      const [condition] = rule.conditions;
      expectInvalid(
        await send({ rules: [{ ...rule, conditions: [condition, { ...condition, values: ['1', '2'] }] }] }),
        '/rules/0/conditions too_many',
        '/rules/0/conditions/1/values too_many',
      );
    } finally {
      await small.stop();
    }
  });
});
