import type { Test } from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { everyRow, sql } from '../support/sql.js';

type Versioned = { version: number } & Record<string, unknown>;

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

let count = 0;
/** A flag and a cohort of a test's own. */
let flag: string;
let cohort: string;
beforeEach(async () => {
  count += 1;
  [flag, cohort] = [`flag-${count}`, `cohort-${count}`];
  await api.admin.post('/projects/default/flags', { key: flag, type: 'boolean' }).expect(201);
  await api.admin.post('/projects/default/cohorts', { key: cohort, included: ['a'], excluded: ['b'] }).expect(201);
});

const read = async (path: string): Promise<Versioned> => (await api.admin.get(path).expect(200)).body as Versioned;
const snapshotVersion = async (environment = 'production'): Promise<unknown> =>
  (await read(`/projects/default/environments/${environment}`))['snapshotVersion'];
const TARGETING = { enabled: true, offVariant: 'off', prerequisites: [], rules: [], fallthrough: { variant: 'on' } };

describe('every document', () => {
  it('has its version as a strong ETag, and answers 304 to who holds it', async () => {
    const { id } = (await api.admin.post('/tokens', { name: 'x', kind: 'management' }).expect(201)).body as {
      id: string;
    };
    const paths = [
      '/projects/default',
      '/projects/default/environments/production',
      `/projects/default/flags/${flag}`,
      targetingPath(flag),
      `/projects/default/cohorts/${cohort}`,
      `/tokens/${id}`,
    ];
    for (const path of paths) {
      const first = await api.admin.get(path).expect(200);
      const etag = String(first.headers['etag']);
      expect(etag, path).toBe(`"${(first.body as Versioned).version}"`);
      for (const held of [etag, `W/${etag}`, `"0", ${etag}`, '*']) {
        const again = await api.admin.get(path).set('if-none-match', held).expect(304);
        expect(again.text).toBe('');
        expect(again.headers['etag']).toBe(etag);
      }
      for (const other of ['"0"', `"${(first.body as Versioned).version}0"`, 'nonsense']) {
        await api.admin.get(path).set('if-none-match', other).expect(200);
      }
    }
  });

  it('is taken back as it was read, also while a rollout that is over is watched in it', async () => {
    const measure = { rollout: 'r', epoch: 3, canary: 'on', baseline: 'off', percentage: 50, metrics: {} };
    await sql(
      api.databaseUrl,
      `UPDATE targeting SET document = document || jsonb_build_object('measure', $2::jsonb)
       FROM flag WHERE flag.id = flag_id AND flag.key = $1`,
      [flag, JSON.stringify(measure)],
    );
    const document = await read(targetingPath(flag));
    expect(document).toMatchObject({ measure });
    const edited = await api.admin.put(targetingPath(flag), { ...document, enabled: true }).expect(200);
    expect(edited.body).toMatchObject({ enabled: true, measure });
    const forged = { ...edited.body, measure: { ...measure, percentage: 1 } } as object;
    expectInvalid(await api.admin.put(targetingPath(flag), forged), '/measure read_only');
  });

  it('is answered by a write as a read answers it, with the new ETag', async () => {
    const place = '/projects/default/environments/production';
    const writes: [path: string, write: (path: string) => Test][] = [
      ['/projects/default', (path) => api.admin.patch(path, { name: `n${count}` })],
      [place, (path) => api.admin.patch(path, { name: `n${count}` })],
      [`/projects/default/flags/${flag}`, (path) => api.admin.patch(path, { name: 'n' })],
      [targetingPath(flag), (path) => api.admin.post(`${path}/enable`)],
      [targetingPath(flag), (path) => api.admin.post(`${path}/percentage`, { percentage: 1 })],
      [`/projects/default/cohorts/${cohort}`, (path) => api.admin.put(path, { name: 'n', version: 1 })],
    ];
    for (const [path, write] of writes) {
      const answer = await write(path).expect(200);
      const now = await api.admin.get(path).expect(200);
      expect(answer.body).toEqual({ ...(now.body as object), warnings: [] });
      expect(answer.headers['etag']).toBe(now.headers['etag']);
    }
  });
});

describe('PUT', () => {
  const places = () => [
    { path: targetingPath(flag), body: TARGETING },
    { path: `/projects/default/cohorts/${cohort}`, body: { name: 'other' } },
  ];

  it('must name the version it replaces: 428 without', async () => {
    for (const { path, body } of places()) expectProblem(await api.admin.put(path, body), 428, 'version_missing');
  });

  it('is refused with 412 and the current version when the document has changed meanwhile', async () => {
    for (const { path, body } of places()) {
      const { version } = await read(path);
      for (const stale of [version - 1, version + 1, 0]) {
        expect(
          expectProblem(await api.admin.put(path, body).set('if-match', `"${stale}"`), 412, 'version_stale'),
        ).toMatchObject({ version });
        expectProblem(await api.admin.put(path, { ...body, version: stale }), 412, 'version_stale');
      }
      expect((await read(path)).version).toBe(version);
    }
  });

  it('is refused with 400 when If-Match and the body name different versions', async () => {
    for (const { path, body } of places()) {
      const { version } = await read(path);
      const answer = await api.admin.put(path, { ...body, version }).set('if-match', `"${version + 1}"`);
      expectProblem(answer, 400, 'version_contradiction');
    }
  });

  it('takes the version from the body, from If-Match, strong or weak, one of several, or any', async () => {
    for (const { path, body } of places()) {
      const ways: ((version: number) => { sent: object; header?: string })[] = [
        (version) => ({ sent: { ...body, version } }),
        (version) => ({ sent: body, header: `"${version}"` }),
        (version) => ({ sent: body, header: `W/"${version}"` }),
        (version) => ({ sent: body, header: `"999", W/"${version}"` }),
        (version) => ({ sent: { ...body, version }, header: `"${version}"` }),
        (version) => ({ sent: { ...body, version }, header: '*' }),
        () => ({ sent: body, header: '*' }),
      ];
      for (const [index, way] of ways.entries()) {
        const { sent, header } = way((await read(path)).version);
        // Something is different every time, so that every PUT writes.
        const edited = 'rules' in sent ? { ...sent, enabled: index % 2 === 0 } : { ...sent, name: `n${index}` };
        const request = api.admin.put(path, edited);
        await (header === undefined ? request : request.set('if-match', header)).expect(200);
      }
    }
  });

  it('with a version that is no whole number is refused with 422', async () => {
    for (const { path, body } of places()) {
      for (const version of ['1', 1.5, null, true, []]) {
        expectInvalid(await api.admin.put(path, { ...body, version }), '/version wrong_type');
      }
    }
  });

  it('takes back what GET answered, edited, with its read-only fields', async () => {
    const targeting = await read(targetingPath(flag));
    const written = await api.admin.put(targetingPath(flag), { ...targeting, enabled: true, warnings: [] }).expect(200);
    expect(written.body).toMatchObject({ enabled: true });
    const { body } = await api.admin.get(`/projects/default/cohorts/${cohort}`).expect(200);
    const replaced = await api.admin
      .put(`/projects/default/cohorts/${cohort}`, { ...(body as object), name: 'edited' })
      .expect(200);
    expect(replaced.body).toMatchObject({ name: 'edited', members: { included: 1, excluded: 1 } });
  });

  it('refuses read-only fields that say something else', async () => {
    const targeting = await read(targetingPath(flag));
    expectInvalid(
      await api.admin.put(targetingPath(flag), { ...targeting, key: 'other', environment: 'development' }),
      '/key read_only',
      '/environment read_only',
    );
    const document = await read(`/projects/default/cohorts/${cohort}`);
    expectInvalid(
      await api.admin.put(`/projects/default/cohorts/${cohort}`, { ...document, key: 'other', project: 'other' }),
      '/key read_only',
      '/project read_only',
    );
  });
});

describe('PATCH, DELETE and commands', () => {
  it('need no version, and are refused with 412 when they name a stale one', async () => {
    const place = targetingPath(flag);
    const { id } = (await api.admin.post('/tokens', { name: 'x', kind: 'management' }).expect(201)).body as {
      id: string;
    };
    const before = await everyRow(api.databaseUrl);
    for (const request of [
      api.admin.patch('/projects/default', { name: 'x' }),
      api.admin.delete('/projects/default?confirm=default'),
      api.admin.patch('/projects/default/environments/production', { name: 'x' }),
      api.admin.delete('/projects/default/environments/production?confirm=production'),
      api.admin.patch(`/projects/default/flags/${flag}`, { name: 'x' }),
      api.admin.post(`/projects/default/flags/${flag}/archive`),
      api.admin.post(`/projects/default/flags/${flag}/restore`),
      api.admin.delete(`/projects/default/flags/${flag}`),
      api.admin.post(`/projects/default/cohorts/${cohort}/members`, { list: 'included', add: ['c'] }),
      api.admin.delete(`/projects/default/cohorts/${cohort}`),
      api.admin.post(`${place}/enable`),
      api.admin.post(`${place}/disable`),
      api.admin.post(`${place}/percentage`, { percentage: 1 }),
      api.admin.post(`${place}/copy`, { from: 'development' }),
      api.admin.delete(`/tokens/${id}`),
    ]) {
      expectProblem(await request.set('if-match', '"999"'), 412, 'version_stale');
    }
    expect(await everyRow(api.databaseUrl)).toEqual(before);
    for (const path of [targetingPath(flag)]) {
      const { version } = await read(path);
      await api.admin.post(`${path}/enable`).set('if-match', `W/"${version}"`).expect(200);
      await api.admin.post(`${path}/disable`).set('if-match', '*').expect(200);
      await api.admin.post(`${path}/enable`).expect(200);
    }
    await api.admin.post(`/projects/default/flags/${flag}/archive`).set('if-match', '"1"').expect(200);
    await api.admin.delete(`/projects/default/flags/${flag}`).set('if-match', '"2"').expect(204);
    await api.admin.delete(`/projects/default/cohorts/${cohort}`).set('if-match', '"1"').expect(204);
    await api.admin.delete(`/tokens/${id}`).set('if-match', '"1"').expect(204);
  });
});

describe('a write that changes nothing', () => {
  it('answers 200 with the document, raises no version and writes no change', async () => {
    await api.admin
      .put(targetingPath(flag), { ...TARGETING, version: (await read(targetingPath(flag))).version })
      .expect(200);
    await api.admin.post(`${targetingPath(flag, 'development')}/percentage`, { percentage: 5 }).expect(200);
    const before = await everyRow(api.databaseUrl);
    const same = async (path: string): Promise<Versioned> => read(path);
    const answers = [
      await api.admin.put(targetingPath(flag), await same(targetingPath(flag))),
      await api.admin.put(targetingPath(flag), TARGETING).set('if-match', '*'),
      await api.admin.post(`${targetingPath(flag)}/enable`),
      await api.admin.post(`${targetingPath(flag, 'development')}/percentage`, { percentage: 5 }),
      await api.admin.post(`${targetingPath(flag)}/copy`, { from: 'production' }),
      await api.admin.patch(`/projects/default/flags/${flag}`, {}),
      await api.admin.patch(`/projects/default/flags/${flag}`, {
        name: flag,
        variants: { off: false, on: true },
        tags: [],
        metadata: {},
        owner: null,
      }),
      await api.admin.post(`/projects/default/flags/${flag}/restore`),
      await api.admin.put(`/projects/default/cohorts/${cohort}`, await same(`/projects/default/cohorts/${cohort}`)),
      await api.admin.put(`/projects/default/cohorts/${cohort}`, { included: ['a', 'a'], excluded: ['b'], version: 1 }),
      await api.admin.post(`/projects/default/cohorts/${cohort}/members`, {
        list: 'included',
        add: ['a'],
        remove: ['z'],
      }),
      await api.admin.patch('/projects/default', {}),
      await api.admin.patch('/projects/default/environments/production', { comment: 'nothing' }),
    ];
    for (const answer of answers) {
      expect({
        path: answer.request.url,
        status: answer.status,
        warnings: (answer.body as Versioned)['warnings'],
      }).toEqual({
        path: answer.request.url,
        status: 200,
        warnings: [],
      });
      expect(answer.headers['etag']).toBe(`"${(answer.body as Versioned).version}"`);
    }
    expect(await everyRow(api.databaseUrl)).toEqual(before);
  });
});

describe('what counts which version', () => {
  it("a targeting document's version is its environment's at its last change", async () => {
    const before = Number(await snapshotVersion());
    const { version } = (await api.admin.post(`${targetingPath(flag)}/enable`).expect(200)).body as Versioned;
    expect(version).toBe(before + 1);
    expect(await snapshotVersion()).toBe(before + 1);
    // Another flag moves the environment on, not this document.
    await api.admin.post('/projects/default/flags', { key: `${flag}-other`, type: 'boolean' }).expect(201);
    expect(await snapshotVersion()).toBe(before + 2);
    expect((await read(targetingPath(flag))).version).toBe(version);
  });

  it('a project-wide edit raises it where SDKs see something, and nowhere when they do not', async () => {
    const versions = async () => [
      (await read(targetingPath(flag))).version,
      (await read(targetingPath(flag, 'development'))).version,
      await snapshotVersion(),
      await snapshotVersion('development'),
    ];
    const before = await versions();
    const quiet = {
      name: 'x',
      description: 'x',
      owner: 'x',
      permanent: true,
      variantInfo: { on: { name: 'x' } },
    };
    await api.admin.patch(`/projects/default/flags/${flag}`, { ...quiet, defaultVariant: 'off' }).expect(200);
    expect(await versions()).toEqual(before);
    const seen = [{ metadata: { team: 'x' } }, { tags: ['x'] }, { variants: { on: true, off: false, also: true } }];
    for (const edit of seen) {
      const earlier = await versions();
      await api.admin.patch(`/projects/default/flags/${flag}`, edit).expect(200);
      const [here, there, production, development] = await versions();
      expect([production, development]).toEqual([Number(earlier[2]) + 1, Number(earlier[3]) + 1]);
      expect([here, there]).toEqual([production, development]);
    }
    expect((await read(`/projects/default/flags/${flag}`)).version).toBe(5);
  });

  it('an edit of an archived flag raises no version of an environment', async () => {
    await api.admin.post(`/projects/default/flags/${flag}/archive`).expect(200);
    const before = await snapshotVersion();
    await api.admin.patch(`/projects/default/flags/${flag}`, { metadata: { team: 'x' } }).expect(200);
    expect(await snapshotVersion()).toBe(before);
  });

  it('cohorts count their own', async () => {
    await api.admin.post(`/projects/default/cohorts/${cohort}/members`, { list: 'included', add: ['c'] }).expect(200);
    const { version } = await read(`/projects/default/cohorts/${cohort}`);
    expect(version).toBe(2);
    await api.admin.put(`/projects/default/cohorts/${cohort}`, { name: 'x', version }).expect(200);
    expect((await read(`/projects/default/cohorts/${cohort}`)).version).toBe(3);
  });

  it('projects and environments count their own, beside the version that SDKs see', async () => {
    const project = await read('/projects/default');
    const environment = await read('/projects/default/environments/production');
    await api.admin.patch('/projects/default', { description: `d${count}` }).expect(200);
    await api.admin.patch('/projects/default/environments/production', { description: `d${count}` }).expect(200);
    expect((await read('/projects/default')).version).toBe(project.version + 1);
    expect(await read('/projects/default/environments/production')).toMatchObject({
      version: environment.version + 1,
      snapshotVersion: environment['snapshotVersion'],
    });
  });
});
