import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { snapshotOf } from '../support/snapshot.js';
import { sql } from '../support/sql.js';

type Body = Record<string, unknown>;

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  for (const key of ['checkout', 'payments', 'archived']) {
    await api.admin.post('/projects/default/flags', { key, type: 'boolean' }).expect(201);
  }
  await api.admin.post('/projects/default/cohorts', { key: 'staff', included: ['user-1'] }).expect(201);
  const targeting = {
    enabled: true,
    offVariant: 'off',
    prerequisites: [{ flag: 'payments', variants: ['on'] }],
    rules: [{ id: 'r', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } }],
    fallthrough: { variant: 'off' },
  };
  await api.admin.put(targetingPath('checkout'), targeting).set('if-match', '*').expect(200);
  await api.admin.post(`${targetingPath('archived')}/percentage`, { percentage: 5 }).expect(200);
  await api.admin.post('/projects/default/flags/archived/archive').expect(200);
});
afterAll(() => api.stop());

const ENVIRONMENTS = '/projects/default/environments';
const create = (body: Body) => api.admin.post(ENVIRONMENTS, body);
const read = async (path: string): Promise<Body> => (await api.admin.get(path).expect(200)).body as Body;
const keysOf = async (path: string) => ((await read(path))['items'] as Body[]).map(({ key }) => key);

describe('a new environment', () => {
  it('answers 201 with where it is, at version 1, with every flag disabled', async () => {
    const answer = await create({ key: 'empty', name: 'Empty', description: 'x', comment: 'for tests' }).expect(201);
    expect(answer.headers['location']).toBe('/api/v1/projects/default/environments/empty');
    expect(answer.headers['etag']).toBe('"1"');
    expect(answer.body).toEqual({
      key: 'empty',
      project: 'default',
      name: 'Empty',
      description: 'x',
      protected: false,
      version: 1,
      snapshotVersion: 1,
      createdAt: expect.any(String) as string,
      updatedAt: expect.any(String) as string,
      warnings: [],
    });
    expect(await read(targetingPath('checkout', 'empty'))).toMatchObject({
      version: 1,
      enabled: false,
      prerequisites: [],
      rules: [],
      fallthrough: { variant: 'on' },
    });
    const snapshot = await snapshotOf(api, 'empty');
    expect(Object.keys(snapshot.flags).sort()).toEqual(['checkout', 'payments']);
    expect(snapshot.cohorts).toEqual({});
  });

  it('may begin as another is, disabled', async () => {
    await create({ key: 'copied', copyFrom: 'production' }).expect(201);
    const { version: _, updatedAt: __, environment: ___, ...document } = await read(targetingPath('checkout'));
    expect(await read(targetingPath('checkout', 'copied'))).toMatchObject({ ...document, enabled: false, version: 1 });
    const snapshot = await snapshotOf(api, 'copied');
    expect(snapshot.flags).toMatchObject({
      checkout: { enabled: false, rules: [{ id: 'r' }] },
      payments: { enabled: false },
    });
    expect(snapshot.cohorts).toMatchObject({ staff: { included: ['user-1'] } });
  });

  it('may keep what is enabled', async () => {
    await create({ key: 'kept', copyFrom: 'production', keepEnabled: true }).expect(201);
    expect((await snapshotOf(api, 'kept')).flags).toMatchObject({
      checkout: { enabled: true },
      payments: { enabled: false },
    });
    // What comes back from the archive is disabled there as everywhere, with the targeting that was copied.
    await api.admin.post('/projects/default/flags/archived/restore').expect(200);
    expect(await read(targetingPath('archived', 'kept'))).toMatchObject({
      enabled: false,
      rules: [{ id: 'percentage' }],
    });
    expect(await read(targetingPath('archived', 'empty'))).toMatchObject({ enabled: false, rules: [] });
    await api.admin.post('/projects/default/flags/archived/archive').expect(200);
  });

  it('then goes its own way', async () => {
    await create({ key: 'apart', copyFrom: 'production', keepEnabled: true }).expect(201);
    await api.admin.post(`${targetingPath('checkout', 'apart')}/disable`).expect(200);
    expect(await read(targetingPath('checkout'))).toMatchObject({ enabled: true });
    const { snapshotVersion } = await read(`${ENVIRONMENTS}/apart`);
    await api.admin.post(`${targetingPath('payments')}/enable`).expect(200);
    expect(await read(`${ENVIRONMENTS}/apart`)).toMatchObject({ snapshotVersion });
    await api.admin.post(`${targetingPath('payments')}/disable`).expect(200);
  });

  it('is refused when its key is none or taken, or what it copies is not there', async () => {
    expectInvalid(
      await create({ key: 'a b', copyFrom: null, keepEnabled: 'yes' }),
      '/key format',
      '/copyFrom format',
      '/keepEnabled wrong_type',
    );
    expectProblem(await create({ key: 'Production' }), 409, 'key_taken');
    const answer = await create({ key: 'new', copyFrom: 'nope' });
    expect([404, 422]).toContain(answer.status);
    expectProblem(await api.admin.get(`${ENVIRONMENTS}/new`), 404, 'not_found');
  });
});

describe('an environment', () => {
  it('can be renamed and described, and null takes back to the default', async () => {
    const renamed = await api.admin.patch(`${ENVIRONMENTS}/empty`, { name: 'Other', description: 'y' }).expect(200);
    expect(renamed.body).toMatchObject({ key: 'empty', name: 'Other', description: 'y', version: 2 });
    const cleared = await api.admin.patch(`${ENVIRONMENTS}/empty`, { name: null, description: null }).expect(200);
    expect(cleared.body).toMatchObject({ name: 'empty', description: '', version: 3 });
    expectInvalid(
      await api.admin.patch(`${ENVIRONMENTS}/empty`, { key: 'x', snapshotVersion: 1 }),
      '/key unknown_field',
      '/snapshotVersion unknown_field',
    );
  });

  it('is deleted with its key said once more: targeting, keys and history go, the change log stays', async () => {
    await create({ key: 'doomed' }).expect(201);
    const sdk = api.as(await api.sdkKey('doomed'));
    await sdk.get('/sdk/v1/snapshot').expect(200);
    for (const query of ['', '?confirm=', '?confirm=Doomed', '?confirm=other']) {
      expectProblem(await api.admin.delete(`${ENVIRONMENTS}/doomed${query}`), 400, 'confirmation_missing');
    }
    await api.admin.delete(`${ENVIRONMENTS}/doomed?confirm=doomed&comment=gone`).expect(204);
    expectProblem(await api.admin.get(`${ENVIRONMENTS}/doomed`), 404, 'not_found');
    expectProblem(await api.admin.get(targetingPath('checkout', 'doomed')), 404, 'not_found');
    expectProblem(await api.admin.delete(`${ENVIRONMENTS}/doomed?confirm=doomed`), 404, 'not_found');
    expect((await sdk.get('/sdk/v1/snapshot')).status).toBe(401);
    expect(await keysOf(`${ENVIRONMENTS}?limit=200`)).not.toContain('doomed');
    const { items } = await read('/projects/default/changes?type=environment&key=doomed');
    expect(items).toMatchObject([
      { action: 'environment.deleted', comment: 'gone', after: null },
      { action: 'environment.created', environments: [{ key: 'doomed', version: 1 }] },
    ]);
    for (const table of ['targeting', 'environment_change']) {
      expect(
        await sql(api.databaseUrl, `SELECT 1 FROM ${table} WHERE environment_id NOT IN (SELECT id FROM environment)`),
      ).toEqual([]);
    }
  });

  it('that is not there is answered 404', async () => {
    for (const request of [
      api.admin.get(`${ENVIRONMENTS}/nope`),
      api.admin.patch(`${ENVIRONMENTS}/nope`, { name: 'x' }),
      api.admin.delete(`${ENVIRONMENTS}/nope?confirm=nope`),
      api.admin.get('/projects/nope/environments'),
      api.admin.post('/projects/nope/environments', { key: 'a' }),
    ]) {
      expectProblem(await request, 404, 'not_found');
    }
  });
});

describe('a project', () => {
  it('answers 201 with where it is, and begins without environments', async () => {
    const answer = await api.admin.post('/projects', { key: 'mobile', name: 'Mobile', description: 'x' }).expect(201);
    expect(answer.headers['location']).toBe('/api/v1/projects/mobile');
    expect(answer.body).toMatchObject({ key: 'mobile', name: 'Mobile', description: 'x', version: 1, warnings: [] });
    expect(await keysOf('/projects/mobile/environments')).toEqual([]);
    expect(await keysOf('/projects')).toEqual(['default', 'mobile']);
    // A flag without any environment is legal, and has its place in the first one that comes.
    await api.admin.post('/projects/mobile/flags', { key: 'early', type: 'boolean' }).expect(201);
    await api.admin.post('/projects/mobile/environments', { key: 'production' }).expect(201);
    expect(await read('/projects/mobile/environments/production/flags/early')).toMatchObject({
      enabled: false,
      version: 1,
    });
  });

  it('shares nothing with another', async () => {
    await api.admin
      .post('/projects/mobile/flags', { key: 'checkout', type: 'string', variants: { a: 'x' } })
      .expect(201);
    await api.admin.post('/projects/mobile/cohorts', { key: 'staff' }).expect(201);
    expect(await read('/projects/default/flags/checkout')).toMatchObject({ type: 'boolean' });
    expect(await read('/projects/default/cohorts/staff')).toMatchObject({ members: { included: 1 } });
    const targeting = { enabled: true, offVariant: null, rules: [], fallthrough: null };
    const answer = await api.admin
      .put('/projects/mobile/environments/production/flags/early', {
        ...targeting,
        prerequisites: [{ flag: 'payments', variants: ['on'] }],
      })
      .set('if-match', '*');
    expectInvalid(answer, '/prerequisites/0/flag unknown_flag');
  });

  it('can be renamed and described, and null takes back to the default', async () => {
    const answer = await api.admin.patch('/projects/mobile', { name: 'Apps' }).expect(200);
    expect(answer.body).toMatchObject({ key: 'mobile', name: 'Apps', description: 'x', version: 2 });
    expect(
      (await api.admin.patch('/projects/mobile', { name: null, description: null }).expect(200)).body,
    ).toMatchObject({
      name: 'mobile',
      description: '',
    });
    expectInvalid(await api.admin.patch('/projects/mobile', { key: 'x' }), '/key unknown_field');
  });

  it('is deleted with its key said once more, with everything in it; the change log stays for those who see everything', async () => {
    const token = (
      await api.admin
        .post('/tokens', { name: 'x', kind: 'sdk', project: 'mobile', environment: 'production' })
        .expect(201)
    ).body as { token: string };
    expectProblem(await api.admin.delete('/projects/mobile'), 400, 'confirmation_missing');
    await api.admin.delete('/projects/mobile?confirm=mobile&comment=sold').expect(204);
    expectProblem(await api.admin.get('/projects/mobile'), 404, 'not_found');
    expectProblem(await api.admin.get('/projects/mobile/changes'), 404, 'not_found');
    expect((await api.as(token.token).get('/sdk/v1/snapshot')).status).toBe(401);
    const { items } = (await read('/changes?type=project&key=mobile')) as { items: Body[] };
    expect(items.map(({ action, comment }) => [action, comment])).toEqual([
      ['project.deleted', 'sold'],
      ['project.updated', null],
      ['project.updated', null],
      ['project.created', null],
    ]);
    const [left] = await sql<{ rows: number }>(
      api.databaseUrl,
      `SELECT (SELECT count(*) FROM flag WHERE key = 'early') + (SELECT count(*) FROM token WHERE name = 'x')
            + (SELECT count(*) FROM cohort_member WHERE cohort_id NOT IN (SELECT id FROM cohort)) AS rows`,
    );
    expect(Number(left?.rows)).toBe(0);
    // The key is free again, and the new project has no past.
    await api.admin.post('/projects', { key: 'mobile' }).expect(201);
    expect((await read('/projects/mobile/changes'))['items']).toHaveLength(1);
  });

  it('is refused when its key is none or taken', async () => {
    for (const key of ['', '.', '..', 'a b', 'ä', null, 1])
      expectInvalid(await api.admin.post('/projects', { key }), '/key format');
    expectProblem(await api.admin.post('/projects', { key: 'DEFAULT' }), 409, 'key_taken');
  });
});
