import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { everyRow, sql } from '../support/sql.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const project = (key: string, name = key): Record<string, string> => ({ key, name });
const create = (idempotencyKey: string, body: object) =>
  api.admin.post('/projects', body).set('idempotency-key', idempotencyKey);

const rowsOf = async (action: string): Promise<number> =>
  (await sql<{ n: number }>(api.databaseUrl, 'SELECT count(*)::int AS n FROM change WHERE action = $1', [action]))[0]
    ?.n ?? -1;

describe('an Idempotency-Key', () => {
  it('gives the same request the same answer, byte for byte, and writes once', async () => {
    const before = await rowsOf('project.created');
    const first = await create('k1', project('one'));
    const second = await create('k1', project('one'));
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    expect(second.headers['idempotency-replayed']).toBe('true');
    expect(second.text).toBe(first.text);
    for (const name of ['etag', 'location', 'content-type']) expect(second.headers[name]).toBe(first.headers[name]);
    expect(await rowsOf('project.created')).toBe(before + 1);
  });

  it('with another body is refused with 422', async () => {
    await create('k2', project('two')).expect(201);
    expectProblem(await create('k2', project('two', 'Two')), 422, 'idempotency_mismatch');
    // The same JSON in other bytes is another request.
    expectProblem(
      await api.admin
        .post('/projects')
        .set({ 'idempotency-key': 'k2', 'content-type': 'application/json' })
        .send('{ "key": "two", "name": "two" }'),
      422,
      'idempotency_mismatch',
    );
  });

  it('belongs to token, method and path', async () => {
    const other = (await api.admin.post('/tokens', { name: 'other', kind: 'management', role: 'admin' }).expect(201))
      .body as { token: string };
    await create('k3', project('three')).expect(201);
    const answers = [
      await api.as(other.token).post('/projects', project('three')).set('idempotency-key', 'k3'),
      await api.admin.patch('/projects/three', project('three')).set('idempotency-key', 'k3'),
      await api.admin.post('/projects/three/environments', project('three')).set('idempotency-key', 'k3'),
    ];
    expectProblem(answers[0] ?? fail(), 409, 'key_taken');
    expectInvalid(answers[1] ?? fail(), '/key unknown_field');
    expect(answers[2]?.status).toBe(201);
    for (const answer of answers) expect(answer.headers['idempotency-replayed']).toBeUndefined();
  });

  it('counts what stands in the query as part of the request', async () => {
    await create('k-query', project('query')).expect(201);
    const remove = (query: string) =>
      api.admin.delete(`/projects/query?confirm=query${query}`).set('idempotency-key', 'k4');
    await remove('&comment=a').expect(204);
    expectProblem(await remove('&comment=b'), 422, 'idempotency_mismatch');
  });

  it('lets a DELETE be repeated', async () => {
    await create('k5', project('five')).expect(201);
    const remove = () => api.admin.delete('/projects/five?confirm=five').set('idempotency-key', 'k6');
    await remove().expect(204);
    const again = await remove().expect(204);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expectProblem(await api.admin.delete('/projects/five?confirm=five'), 404, 'not_found');
  });

  it('answers 409 while the first request is still running, and the stored answer after it', async () => {
    const racers = await Promise.all(Array.from({ length: 10 }, () => create('k7', project('seven'))));
    const fresh = racers.filter(
      ({ status, headers }) => status === 201 && headers['idempotency-replayed'] === undefined,
    );
    expect(fresh).toHaveLength(1);
    for (const answer of racers) {
      if (answer.status !== 201) expectProblem(answer, 409, 'idempotency_running');
      else expect(answer.text).toBe(fresh[0]?.text);
    }
    expect((await create('k7', project('seven'))).headers['idempotency-replayed']).toBe('true');
    expect(await sql(api.databaseUrl, `SELECT 1 FROM project WHERE key = 'seven'`)).toHaveLength(1);
  });

  it('does not hold a refusal: the same request may succeed later', async () => {
    expectProblem(
      await api.admin.post('/projects/eight/environments', project('e')).set('idempotency-key', 'k8'),
      404,
      'not_found',
    );
    await create('k9', project('eight')).expect(201);
    const later = await api.admin
      .post('/projects/eight/environments', project('e'))
      .set('idempotency-key', 'k8')
      .expect(201);
    expect(later.headers['idempotency-replayed']).toBeUndefined();
    expectInvalid(await create('k10', { key: '!' }), '/key format');
    await create('k10', project('ten')).expect(201);
  });

  it('does not hold a fault either', async () => {
    await sql(
      api.databaseUrl,
      `CREATE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''boom''; END'`,
    );
    await sql(api.databaseUrl, 'CREATE TRIGGER boom BEFORE INSERT ON change EXECUTE FUNCTION boom()');
    expectProblem(await create('k11', project('eleven')), 500, 'internal');
    await sql(api.databaseUrl, 'DROP TRIGGER boom ON change');
    const later = await create('k11', project('eleven')).expect(201);
    expect(later.headers['idempotency-replayed']).toBeUndefined();
  });

  it('answers a repeated request for a token without the secret, which is stored nowhere', async () => {
    const make = () =>
      api.admin.post('/tokens', { name: 'once', kind: 'management' }).set('idempotency-key', 'k12').expect(201);
    const { token, ...rest } = (await make()).body as { token: string };
    expect(token).toMatch(/^fledge_admin_\w{38}$/);
    const replay = await make();
    expect(replay.headers['idempotency-replayed']).toBe('true');
    expect(replay.body).toEqual(rest);
    for (const row of await everyRow(api.databaseUrl)) expect(row).not.toContain(token.slice(20));
  });

  it('is forgotten after 24 hours', async () => {
    await create('k13', project('thirteen')).expect(201);
    await sql(
      api.databaseUrl,
      `UPDATE idempotency SET created_at = now() - interval '23 hours 59 minutes' WHERE key = 'k13'`,
    );
    expect((await create('k13', project('thirteen'))).headers['idempotency-replayed']).toBe('true');
    await sql(
      api.databaseUrl,
      `UPDATE idempotency SET created_at = now() - interval '24 hours 1 second' WHERE key = 'k13'`,
    );
    expectProblem(await create('k13', project('thirteen')), 409, 'key_taken');
    // And can then be used for something else.
    await create('k13', project('fourteen')).expect(201);
    expect((await create('k13', project('fourteen'))).headers['idempotency-replayed']).toBe('true');
  });

  it('may be any 1 to 255 printable ASCII characters', async () => {
    for (const key of ['a', 'a'.repeat(255), ' !"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~x']) {
      expectInvalid(await create(key, { key: '!' }), '/key format');
    }
  });
});

const fail = (): never => {
  throw new Error('There is no such answer.');
};
