import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Response } from 'supertest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectProblem } from '../support/problem.js';
import { prepareRollouts } from '../support/rollout.js';
import { ROUTES, type Route } from '../support/routes.js';
import { everyRow, sql } from '../support/sql.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ FLEDGE_RECONCILER: 'off' });
  for (const key of ['checkout', 'payments', 'archived']) {
    await api.admin.post('/projects/default/flags', { key, type: 'boolean' }).expect(201);
  }
  await api.admin.post('/projects/default/flags/archived/archive').expect(200);
  await api.admin.post('/projects/default/cohorts', { key: 'staff', included: ['a'] }).expect(201);
  await api.admin.post('/projects/default/cohorts', { key: 'unused' }).expect(201);
  const rules = [{ id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } }];
  const targeting = { enabled: true, offVariant: 'off', prerequisites: [], rules, fallthrough: { variant: 'off' } };
  await api.admin.put(targetingPath('payments'), targeting).set('if-match', '*').expect(200);
  // Something to copy.
  await api.admin.post(`${targetingPath('checkout', 'development')}/percentage`, { percentage: 1 }).expect(200);
  await prepareRollouts(api);
});
afterAll(() => api.stop());

/** Every write that api.md lists, each legal here. */
const WRITES: readonly Route[] = [
  ...ROUTES.filter(
    ({ body, asks, path }) =>
      body !== undefined && asks !== true && !/\/(restore|disable|rotate|revert|deliveries\/.+)$/.test(path),
  ).map((route) => (route.method === 'put' ? { ...route, body: { ...route.body, version: undefined } } : route)),
  { method: 'post', path: '/projects/default/flags/archived/restore', role: 'editor' },
  { method: 'delete', path: '/projects/default/flags/archived', role: 'editor' },
  { method: 'delete', path: '/projects/default/cohorts/unused', role: 'editor' },
  { method: 'delete', path: '/projects/default/environments/production?confirm=production&force=true', role: 'admin' },
  { method: 'delete', path: '/projects/default?confirm=default&force=true', role: 'admin' },
];

function send({ method, path, body }: Route): Promise<Response> {
  const request = method === 'get' || method === 'delete' ? api.admin[method](path) : api.admin[method](path, body);
  return Promise.resolve(method === 'put' || method === 'post' ? request.set('if-match', '*') : request);
}

async function failOn(table: string, statement: string): Promise<void> {
  await sql(api.databaseUrl, `CREATE TRIGGER boom ${statement} ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION boom()`);
}

describe('a write that fails in the middle', () => {
  beforeAll(async () => {
    await sql(
      api.databaseUrl,
      `CREATE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''boom''; END'`,
    );
  });
  let before: string[];
  beforeEach(async () => {
    before = await everyRow(api.databaseUrl);
  });
  afterEach(async () => {
    for (const table of ['change', 'environment_change', 'cohort_member', 'idempotency']) {
      await sql(api.databaseUrl, `DROP TRIGGER IF EXISTS boom ON ${table}`);
    }
  });

  it.each(WRITES)('leaves nothing behind: $method $path', async (route) => {
    await failOn('change', 'AFTER INSERT');
    expectProblem(await send(route), 500, 'internal');
    expect(await everyRow(api.databaseUrl)).toEqual(before);
  });

  it('leaves nothing behind when the environment cannot be led on, or the members cannot be kept', async () => {
    await failOn('environment_change', 'AFTER INSERT');
    await failOn('cohort_member', 'AFTER INSERT OR UPDATE');
    expectProblem(await api.admin.post(`${targetingPath('checkout')}/enable`), 500, 'internal');
    expectProblem(await api.admin.post('/projects/default/flags', { key: 'new', type: 'boolean' }), 500, 'internal');
    expectProblem(await api.admin.post('/projects/default/environments', { key: 'new' }), 500, 'internal');
    const members = { list: 'included', add: ['b'], remove: ['a'] };
    expectProblem(await api.admin.post('/projects/default/cohorts/staff/members', members), 500, 'internal');
    expectProblem(await api.admin.post('/projects/default/cohorts', { key: 'new', included: ['a'] }), 500, 'internal');
    expect(await everyRow(api.databaseUrl)).toEqual(before);
  });

  it('leaves nothing behind when only its answer cannot be kept for a repetition', async () => {
    await failOn('idempotency', 'AFTER INSERT');
    const answer = await api.admin.post(`${targetingPath('checkout')}/enable`).set('idempotency-key', 'k');
    expectProblem(answer, 500, 'internal');
    expect(await everyRow(api.databaseUrl)).toEqual(before);
  });

  it('leaves nothing behind when the database ends the connection, and says so with 503', async () => {
    await sql(
      api.databaseUrl,
      `CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(10); RETURN NULL; END'`,
    );
    await sql(api.databaseUrl, 'CREATE TRIGGER boom AFTER INSERT ON change EXECUTE FUNCTION wait()');
    const running = send({ method: 'post', path: `${targetingPath('checkout')}/enable`, role: 'operator' });
    let ended: unknown[] = [];
    while (ended.length === 0) {
      await sleep(10);
      ended = await sql(
        api.databaseUrl,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event = 'PgSleep' AND query LIKE '%INSERT INTO change%'`,
      );
    }
    const answer = await running;
    expectProblem(answer, 503, 'database_unavailable');
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(await everyRow(api.databaseUrl)).toEqual(before);
    await sql(api.databaseUrl, 'DROP TRIGGER boom ON change');
    await api.admin.get('/projects').expect(200);
  });
});

describe('writers at once', () => {
  /** Locks an environment as a writer that hangs would, and sends another write there. */
  let hanging: { readonly waiting: Promise<Response>; letGo(): Promise<void> };
  beforeAll(async () => {
    await api.admin.post('/projects', { key: 'slow' }).expect(201);
    for (const key of ['stuck', 'free']) await api.admin.post('/projects/slow/environments', { key }).expect(201);
    await api.admin.post('/projects/slow/flags', { key: 'f', type: 'boolean' }).expect(201);
    const other = new Client({ connectionString: api.databaseUrl });
    await other.connect();
    await other.query(`BEGIN; SELECT 1 FROM environment WHERE key = 'stuck' FOR UPDATE`);
    const waiting = send({
      method: 'post',
      path: '/projects/slow/environments/stuck/flags/f/enable',
      role: 'operator',
    });
    hanging = { waiting, letGo: () => other.end() };
  });

  const versions = async (): Promise<number[]> =>
    (
      await sql<{ version: number }>(
        api.databaseUrl,
        `SELECT environment_change.version FROM environment_change JOIN environment ON environment.id = environment_id
         WHERE key = 'production' ORDER BY 1`,
      )
    ).map(({ version }) => version);

  it('of whom twenty change one environment get twenty versions without a gap', async () => {
    const keys = Array.from({ length: 20 }, (_, index) => `parallel-${index}`);
    for (const key of keys) await api.admin.post('/projects/default/flags', { key, type: 'boolean' }).expect(201);
    const before = (await versions()).length;
    const answers = await Promise.all(keys.map((key) => api.admin.post(`${targetingPath(key)}/enable`)));
    expect(answers.map(({ status }) => status)).toEqual(keys.map(() => 200));
    const given = answers.map(({ body }) => (body as { version: number }).version).sort((a, b) => a - b);
    expect(given).toEqual(keys.map((_, index) => before + 1 + index));
    expect(await versions()).toEqual(Array.from({ length: before + 20 }, (_, index) => index + 1));
  });

  it('of whom two hold the same version: one wins, the other is told that it is stale', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { etag } = (await api.admin.get(targetingPath('checkout')).expect(200)).headers;
      const answers = await Promise.all(
        [1 + round, 50 + round].map((percentage) =>
          api.admin.post(`${targetingPath('checkout')}/percentage`, { percentage }).set('if-match', String(etag)),
        ),
      );
      expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 412]);
      const now = (await api.admin.get(targetingPath('checkout')).expect(200)).body as { version: number };
      for (const answer of answers) {
        if (answer.status === 200) expect(answer.body).toEqual({ ...now, warnings: [] });
        else expect(expectProblem(answer, 412, 'version_stale')['version']).toBe(now.version);
      }
    }
  });

  it('of whom many make the same key: one has it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        api.admin.post('/projects/default/flags', { key: index % 2 === 0 ? 'Wanted' : 'wanted', type: 'boolean' }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const answer of answers) if (answer.status !== 201) expectProblem(answer, 409, 'key_taken');
  });

  it('of whom one removes what the other has just looked up: it is looked up again, and not found', async () => {
    const webhooks = '/projects/default/webhooks';
    await api.admin.post(webhooks, { key: 'doomed', url: 'https://hooks.example.com/fledge' }).expect(201);
    const other = new Client({ connectionString: api.databaseUrl });
    await other.connect();
    await other.query(`BEGIN; DELETE FROM webhook WHERE key = 'doomed'`);
    const [{ pid } = { pid: 0 }] = (await other.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows;
    const sending = send({ method: 'post', path: `${webhooks}/doomed/test`, role: 'operator' });
    // It sees the webhook still there, and waits with what refers to it.
    const held = 'SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))';
    while ((await sql(api.databaseUrl, held, [pid])).length === 0) await sleep(5);
    await other.query('COMMIT');
    await other.end();
    expectProblem(await sending, 404, 'not_found');
  });

  it('of whom some change what all environments share and others one of them, do not block each other for good', async () => {
    const writes = Array.from({ length: 40 }, (_, index) => {
      switch (index % 5) {
        case 0:
          return api.admin.patch('/projects/default/flags/checkout', { metadata: { round: index } });
        case 1:
          return api.admin.post(`${targetingPath('checkout')}/percentage`, { percentage: index });
        case 2:
          return api.admin.post(`${targetingPath('payments', 'development')}/percentage`, { percentage: index });
        case 3:
          return api.admin.post('/projects/default/cohorts/staff/members', { list: 'included', add: [`u${index}`] });
        default:
          return api.admin.post('/projects/default/environments', { key: `e${index}`, copyFrom: 'production' });
      }
    });
    const answers = await Promise.all(writes);
    for (const { status } of answers) expect([200, 201]).toContain(status);
    const all = await versions();
    expect(all).toEqual(all.map((_, index) => index + 1));
  });

  it('of whom one hangs: the next is told after five seconds that the document is busy, and nobody else is held up', async () => {
    await api.admin.get('/projects/slow/environments/stuck/flags/f').expect(200);
    await api.admin.post('/projects/slow/environments/free/flags/f/enable').expect(200);
    const answer = await hanging.waiting;
    expectProblem(answer, 503, 'busy');
    expect(answer.headers['retry-after']).toBe('1');
    await hanging.letGo();
    await api.admin.post('/projects/slow/environments/stuck/flags/f/enable').expect(200);
  });
});
