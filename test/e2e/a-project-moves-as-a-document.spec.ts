import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { everyRow } from '../support/sql.js';

let from: TestApi;
let to: TestApi;
beforeAll(async () => {
  from = await startApi();
  to = await startApi();
  await fill();
});
afterAll(async () => {
  await from.stop({ undoing: true });
  await to.stop({ undoing: true });
});

const put = (flag: string, document: object, environment = 'production') =>
  from.admin.put(targetingPath(flag, environment), document).set('if-match', '*').expect(200);

/** A project with whatever a document can hold. */
async function fill(): Promise<void> {
  const { admin } = from;
  const project = '/projects/default';
  await admin.patch(project, { name: 'Shop', description: 'äöü 🚀' }).expect(200);
  await admin.post(`${project}/cohorts`, { key: 'staff', included: ['z', 'a', 'ä'], excluded: ['b'] }).expect(201);
  const rules = [{ conditions: [{ cohorts: ['staff'] }], gate: { percentage: 10, salt: 's' } }];
  await admin.post(`${project}/cohorts`, { key: 'Beta', attribute: 'email', rules, name: 'B' }).expect(201);
  await admin.post(`${project}/flags`, { key: 'payments', type: 'boolean', tags: ['z', 'a'], owner: 'x' }).expect(201);
  const variants = { plain: { a: [1, { b: null }] }, loud: [] };
  await admin
    .post(`${project}/flags`, { key: 'banner', type: 'object', variants, metadata: { b: 1, a: 'x' } })
    .expect(201);
  await admin
    .patch(`${project}/flags/banner`, { variantInfo: { loud: { name: 'L' } }, defaultVariant: null })
    .expect(200);
  await admin.post(`${project}/flags`, { key: 'checkout', type: 'boolean', permanent: true }).expect(201);
  await put('checkout', {
    enabled: true,
    offVariant: 'off',
    prerequisites: [{ flag: 'payments', variants: ['on'] }],
    rules: [
      { id: 'beta', description: 'x', conditions: [{ cohorts: ['Beta'] }], serve: { variant: 'on' } },
      { id: 'all', conditions: [], gate: { percentage: 5 }, serve: { split: [{ variant: 'on', weight: 1 }] } },
    ],
    fallthrough: null,
  });
  await admin.post(`${project}/flags`, { key: 'retired', type: 'boolean' }).expect(201);
  await admin.post(`${targetingPath('retired')}/enable`).expect(200);
  await admin.post(`${project}/flags/retired/archive`).expect(200);
  await admin.patch(`${project}/environments/development`, { name: 'Dev', protected: true }).expect(200);
}

const exported = async (api: TestApi, project: string): Promise<string> =>
  (await api.admin.get(`/projects/${project}/export`).buffer(true).expect(200)).text;
const document = async (): Promise<Record<string, unknown>> =>
  JSON.parse(await exported(from, 'default')) as Record<string, unknown>;

describe('a project', () => {
  it('moves to another server as the same bytes, its flags deciding as before', async () => {
    const text = await exported(from, 'default');
    const body = { ...(JSON.parse(text) as object), comment: 'moved' };
    const { body: done } = await to.admin.post('/projects/moved/import', body).expect(200);
    expect(done).toMatchObject({
      project: 'moved',
      created: { environments: 2, cohorts: 2, flags: 4 },
      updated: { environments: 0, cohorts: 0, flags: 0 },
    });
    expect(await exported(to, 'moved')).toBe(text.replace('"key":"default"', '"key":"moved"'));
    const key = async (api: TestApi, project: string): Promise<string> => {
      const asked = { name: 'x', kind: 'sdk', project, environment: 'production' };
      return (await api.admin.post('/tokens', asked).expect(201)).body.token as string;
    };
    const snapshot = async (api: TestApi, project: string): Promise<object> => {
      const answer = await api
        .as(await key(api, project))
        .get('/sdk/v1/snapshot')
        .expect(200);
      const { flags, cohorts } = answer.body as { flags: object; cohorts: object };
      return { flags, cohorts };
    };
    expect(await snapshot(to, 'moved')).toEqual(await snapshot(from, 'default'));
  });

  it('is left as it is by what it says already', async () => {
    const before = (await to.admin.get('/changes?limit=1').expect(200)).body as object;
    const body = { ...(await document()), comment: 'again' };
    const { body: done } = await to.admin.post('/projects/moved/import', body).expect(200);
    const none = { environments: 0, cohorts: 0, flags: 0, targetings: 0 };
    expect(done).toMatchObject({ created: none, updated: none });
    expect(await to.admin.get('/changes?limit=1').then((answer) => answer.body as object)).toEqual(before);
  });

  it('becomes what the document says, keeps what it does not name, and can be taken back step by step', async () => {
    const before = await exported(to, 'moved');
    await to.admin.post('/projects/moved/flags', { key: 'own', type: 'boolean', comment: 'x' }).expect(201);
    const [last] = (await to.admin.get('/changes?limit=1').expect(200)).body.items as { id: string }[];
    await to.admin.post('/projects/moved/environments/production/flags/checkout/disable', { comment: 'x' }).expect(200);
    await to.admin.post('/projects/moved/flags/retired/restore', { comment: 'x' }).expect(200);
    await to.admin.post('/projects/moved/cohorts/staff/members', { list: 'included', remove: ['a'] }).expect(200);
    const body = { ...(await document()), comment: 'back' };
    const look = await to.admin.post('/projects/moved/import', { ...body, dryRun: true }).expect(200);
    const between = await exported(to, 'moved');
    const done = await to.admin.post('/projects/moved/import', body).expect(200);
    expect(look.body).toEqual(done.body);
    expect(between).not.toBe(before);
    const own = JSON.parse(await exported(to, 'moved')) as { flags: { key: string }[] };
    expect(JSON.stringify({ ...own, flags: own.flags.filter(({ key }) => key !== 'own') })).toBe(before);
    const { items } = (await to.admin.get('/changes?limit=200').expect(200)).body as { items: { id: string }[] };
    for (const { id } of items.filter((change) => Number(change.id) > Number(last?.id)))
      await to.admin.post(`/changes/${id}/revert`, { comment: 'undo' }).expect(200);
    await to.admin.post('/projects/moved/flags/own/archive', { comment: 'x' }).expect(200);
    await to.admin.delete('/projects/moved/flags/own?comment=x').expect(204);
    expect(await exported(to, 'moved')).toBe(before);
  });

  it('is refused whole, with every problem by its pointer', async () => {
    const rows = await everyRow(to.databaseUrl);
    const good = (await document()) as { flags: Record<string, unknown>[]; cohorts: Record<string, unknown>[] };
    const targeting = {
      enabled: true,
      offVariant: 'nope',
      prerequisites: [],
      rules: [{ id: 'r', conditions: [{ cohorts: ['nope'] }], serve: { variant: 'on' } }],
      fallthrough: null,
    };
    const flags = good.flags.map((flag) => {
      if (flag['key'] === 'payments') return { ...flag, type: 'string', targeting: {} };
      return flag['key'] === 'checkout' ? { ...flag, targeting: { production: targeting, nowhere: targeting } } : flag;
    });
    const index = (key: string): number => flags.findIndex((flag) => flag['key'] === key);
    const cohorts = [...good.cohorts, { ...good.cohorts[1], key: 'STAFF', included: ['a'], excluded: ['a'] }];
    const answer = await to.admin.post('/projects/moved/import', { ...good, flags, cohorts, comment: 'x' });
    const { errors = [] } = expectProblem(answer, 422, 'invalid');
    expect(errors.map(({ pointer }) => pointer)).toEqual(
      expect.arrayContaining([
        '/cohorts/2/key',
        `/flags/${index('payments')}/type`,
        `/flags/${index('payments')}/variants/on`,
        `/flags/${index('checkout')}/targeting/production/offVariant`,
        `/flags/${index('checkout')}/targeting/production/rules/0/conditions/0/cohorts/0`,
        `/flags/${index('checkout')}/targeting/nowhere`,
      ]) as string[],
    );
    expectInvalid(
      await to.admin.post('/projects/new/import', {}),
      '/format missing',
      '/project missing',
      '/environments missing',
      '/cohorts missing',
      '/flags missing',
    );
    const shapes = {
      ...good,
      environments: [null],
      cohorts: [{}],
      flags: [{ ...good.flags[0], extra: 1, targeting: { production: 5 } }],
    };
    const { errors: wrong = [] } = expectProblem(await to.admin.post('/projects/new/import', shapes), 422, 'invalid');
    expect(wrong.map(({ pointer }) => pointer)).toEqual(
      expect.arrayContaining(['/environments/0', '/cohorts/0/key', '/flags/0/extra']) as string[],
    );
    expect(await everyRow(to.databaseUrl)).toEqual(rows);
  });

  it('is seen by a token of some environments as far as that goes', async () => {
    const asked = { name: 'x', kind: 'management', role: 'viewer', project: 'default', environments: ['production'] };
    const viewer = from.as((await from.admin.post('/tokens', asked).expect(201)).body.token as string);
    const { body } = await viewer.get('/projects/default/export').expect(200);
    expect(body.environments).toMatchObject([{ key: 'production' }]);
    expect(Object.keys(body.flags[0].targeting as object)).toEqual(['production']);
    expectProblem(await viewer.post('/projects/default/import', await document()), 403, 'forbidden');
  });
});
