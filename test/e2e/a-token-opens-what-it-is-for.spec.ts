import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startApi, targetingPath, type Client, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { prepareRollouts } from '../support/rollout.js';
import { ROUTES, type Route } from '../support/routes.js';
import { everyRow, sql } from '../support/sql.js';

type Created = { readonly id: string; readonly token: string; readonly hint: string };

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ FLEDGE_RECONCILER: 'off' });
  await api.admin.post('/projects', { key: 'other' }).expect(201);
  await api.admin.post('/projects/other/environments', { key: 'production' }).expect(201);
  await api.admin.post('/projects/default/flags', { key: 'checkout', type: 'boolean' }).expect(201);
  await api.admin.post('/projects/default/cohorts', { key: 'staff' }).expect(201);
  await prepareRollouts(api);
});
afterAll(() => api.stop());

const make = async (body: object): Promise<Created> =>
  (await api.admin.post('/tokens', { name: 'test', ...body }).expect(201)).body as Created;
const manager = async (body: object): Promise<Client> => api.as((await make({ kind: 'management', ...body })).token);
const call = (client: Client, { method, path, body }: Route) =>
  method === 'get' || method === 'delete' ? client[method](path) : client[method](path, body);

describe('a new token', () => {
  it('is shown once, with its kind as prefix, and kept as a hash', async () => {
    const made: Created[] = [
      await make({ kind: 'management', role: 'viewer' }),
      await make({ kind: 'sdk', project: 'default', environment: 'production' }),
      await make({ kind: 'client', project: 'default', environment: 'production' }),
    ];
    expect(made[0]?.token).toMatch(/^fledge_admin_[0-9A-Za-z]{38}$/);
    expect(made[1]?.token).toMatch(/^fledge_sdk_[0-9A-Za-z]{38}$/);
    expect(made[2]?.token).toMatch(/^fledge_client_[0-9A-Za-z]{38}$/);
    const rows = (await everyRow(api.databaseUrl)).join('\n');
    for (const { id, token, hint } of made) {
      expect(token.startsWith(hint.slice(0, -1))).toBe(true);
      expect(rows).toContain(hint);
      // Not even a part that is longer than what the hint shows.
      expect(rows).not.toContain(token.slice(0, hint.length + 2));
      expect(rows).not.toContain(token.slice(-12));
      const shown = await api.admin.get(`/tokens/${id}`).expect(200);
      expect(shown.body).not.toHaveProperty('token');
      expect((await api.admin.get('/tokens').expect(200)).text).not.toContain(token);
      expect((await api.admin.get('/changes?action=token.created').expect(200)).text).not.toContain(token);
    }
  });

  it('stands at the place that Location names', async () => {
    const answer = await api.admin.post('/tokens', { name: 'x', kind: 'management', role: 'viewer' }).expect(201);
    const { token: _, warnings, ...document } = answer.body as Created & { warnings: unknown };
    expect(warnings).toEqual([]);
    expect(answer.headers['location']).toBe(`/api/v1/tokens/${document.id}`);
    expect((await api.admin.get(String(answer.headers['location'])).expect(200)).body).toEqual(document);
  });

  it('is refused with every problem', async () => {
    expectInvalid(await api.admin.post('/tokens', {}), '/kind missing', '/name missing');
    expectInvalid(
      await api.admin.post('/tokens', { name: 'x', kind: 'sdk', role: 'admin', environments: ['production'] }),
      '/project missing',
      '/environment missing',
      '/environments unwanted',
      '/role unwanted',
    );
    expectInvalid(
      await api.admin.post('/tokens', { name: 'x', kind: 'management', environment: 'production', environments: [] }),
      '/environment unwanted',
      '/project missing',
      '/environments unwanted',
    );
    expectInvalid(
      await api.admin.post('/tokens', {
        name: 'x',
        kind: 'management',
        project: 'default',
        environments: ['a', 'production', 'b'],
      }),
      '/environments unknown_environment',
      '/environments unknown_environment',
    );
    expectInvalid(
      await api.admin.post('/tokens', { name: 'x', kind: 'sdk', project: 'nope', environment: 'a' }),
      '/project unknown_project',
    );
    const client = { name: 'x', kind: 'client', project: 'default', environment: 'production' };
    expectInvalid(await api.admin.post('/tokens', { ...client, allowedOrigins: [] }), '/allowedOrigins unwanted');
    expectInvalid(
      await api.admin.post('/tokens', { ...client, kind: 'sdk', allowedOrigins: ['https://a.example'] }),
      '/allowedOrigins unwanted',
    );
    const no = [
      'shop.example',
      'https://a.example/',
      'https://a.example:443',
      'HTTPS://a.example',
      '*',
      'null',
      'https://*.a.example',
      'app://',
    ];
    expectInvalid(
      await api.admin.post('/tokens', {
        ...client,
        allowedOrigins: [...no, 'https://a.example', 'capacitor://localhost'],
      }),
      ...no.map((_, index) => `/allowedOrigins/${index} format`),
    );
    for (const expiresAt of ['2020-01-01T00:00:00Z', '2027-W10', '2027-01-01', 'soon', 1, null]) {
      const answer = await api.admin.post('/tokens', { name: 'x', kind: 'management', expiresAt });
      expect(expectProblem(answer, 422, 'invalid').errors?.every(({ pointer }) => pointer === '/expiresAt')).toBe(true);
    }
  });
});

describe('a revoked token', () => {
  it('opens nothing from then on, and stays listed', async () => {
    const { id, token } = await make({ kind: 'management', role: 'viewer' });
    await api.as(token).get('/projects').expect(200);
    await api.admin.delete(`/tokens/${id}?comment=leaked`).expect(204);
    expectProblem(await api.as(token).get('/projects'), 401, 'token_refused');
    expect((await api.admin.get(`/tokens/${id}`).expect(200)).body).toMatchObject({
      revokedAt: expect.any(String) as string,
    });
    const changes = await api.admin.get(`/changes?type=token&key=${id}`).expect(200);
    expect(changes.body.items).toMatchObject([
      { action: 'token.revoked', comment: 'leaked', before: { revokedAt: null } },
      { action: 'token.created' },
    ]);
    // Revoking twice changes nothing.
    await api.admin.delete(`/tokens/${id}`).expect(204);
    expect((await api.admin.get(`/changes?type=token&key=${id}`)).body.items).toHaveLength(2);
  });

  it('is refused on a second replica within a second', async () => {
    const replica = await startApi({}, { url: api.databaseUrl, drop: () => Promise.resolve() });
    try {
      const { id, token } = await make({ kind: 'sdk', project: 'default', environment: 'production' });
      await replica.as(token).get('/sdk/v1/snapshot').expect(200);
      await api.admin.delete(`/tokens/${id}`).expect(204);
      let status = 200;
      for (let waited = 0; status === 200 && waited < 1_000; waited += 20) {
        await sleep(20);
        status = (await replica.as(token).get('/sdk/v1/snapshot')).status;
      }
      expect(status).toBe(401);
    } finally {
      await replica.stop();
    }
  });
});

describe('an expiring token', () => {
  it('opens nothing after its time, without being asked for again', async () => {
    const { id, token } = await make({
      kind: 'management',
      role: 'viewer',
      expiresAt: new Date(Date.now() + 900).toISOString(),
    });
    await api.as(token).get('/projects').expect(200);
    await sleep(1_000);
    expectProblem(await api.as(token).get('/projects'), 401, 'token_refused');
    await api.admin.get(`/tokens/${id}`).expect(200);
  });
});

describe('the last use of a token', () => {
  it('is remembered', async () => {
    const { id, token } = await make({ kind: 'management', role: 'viewer' });
    const lastUsedAt = async (): Promise<unknown> => (await api.admin.get(`/tokens/${id}`)).body.lastUsedAt;
    expect(await lastUsedAt()).toBeNull();
    await api.as(token).get('/projects').expect(200);
    await api.runtime.authenticator.flushUses();
    expect(Date.now() - Date.parse(String(await lastUsedAt()))).toBeLessThan(5_000);
  });
});

describe('roles', () => {
  const ranks = ['viewer', 'operator', 'editor', 'admin'] as const;
  // What would take the ground from under the routes after it is only asked by those who may not.
  const destroys = ({ method, path }: Route): boolean => method === 'delete' || path.endsWith('/archive');

  it.each(ranks)('%s: may do what its rank allows, and nothing else', async (role) => {
    const client = await manager({ role });
    for (const route of ROUTES) {
      const may = ranks.indexOf(role) >= ranks.indexOf(route.role);
      if (may && destroys(route)) continue;
      const answer = await call(client, route);
      const outcome = { route: `${route.method} ${route.path}`, refused: answer.status === 403 };
      expect(outcome).toEqual({ ...outcome, refused: !may });
      if (!may) expectProblem(answer, 403, 'forbidden');
      expect(answer.status).not.toBe(401);
      expect(answer.status).toBeLessThan(500);
    }
  });

  it('are refused before anything is looked up, so that nobody learns what there is', async () => {
    const client = await manager({ role: 'viewer' });
    expectProblem(await client.post('/projects/default/flags/no-such-flag/archive'), 403, 'forbidden');
    expectProblem(await client.delete('/tokens/00000000-0000-4000-8000-000000000000'), 403, 'forbidden');
  });
});

describe('a token of one project', () => {
  it('reaches that project and no other', async () => {
    const client = await manager({ role: 'admin', project: 'other' });
    for (const route of ROUTES.filter(({ path }) => path.includes('/default'))) {
      const answer = await call(client, route);
      expect({ route: route.path, status: answer.status }).toEqual({ route: route.path, status: 403 });
    }
    for (const route of ROUTES.filter(({ everything, path }) => everything === true && !path.includes('/default'))) {
      expectProblem(await call(client, route), 403, 'forbidden');
    }
    expect((await client.get('/projects').expect(200)).body.items).toMatchObject([{ key: 'other' }]);
    await client.patch('/projects/other', { name: 'Ours' }).expect(200);
    // Deleting what it is confined to is for those who stand above it.
    expectProblem(await client.delete('/projects/other?confirm=other'), 403, 'forbidden');
  });

  it('sees, makes and revokes only tokens of that project', async () => {
    const client = await manager({ role: 'admin', project: 'other' });
    const foreign = await make({ kind: 'sdk', project: 'default', environment: 'production' });
    expectProblem(await client.get(`/tokens/${foreign.id}`), 404, 'not_found');
    expectProblem(await client.delete(`/tokens/${foreign.id}`), 404, 'not_found');
    await api.as(foreign.token).get('/sdk/v1/snapshot').expect(200);
    const { items } = (await client.get('/tokens?limit=200').expect(200)).body as { items: { project: string }[] };
    expect(items.length).toBeGreaterThan(0);
    expect(items.every(({ project }) => project === 'other')).toBe(true);
    expectProblem(await client.post('/tokens', { name: 'x', kind: 'management', role: 'viewer' }), 403, 'forbidden');
    expectProblem(
      await client.post('/tokens', { name: 'x', kind: 'management', role: 'viewer', project: 'default' }),
      403,
      'forbidden',
    );
    await client.post('/tokens', { name: 'x', kind: 'management', role: 'viewer', project: 'other' }).expect(201);
  });
});

describe('a token of some environments', () => {
  it('writes only there, and reads there and what all share', async () => {
    const client = await manager({ role: 'admin', project: 'default', environments: ['development'] });
    await client.post(`${targetingPath('checkout', 'development')}/enable`).expect(200);
    expectProblem(await client.post(`${targetingPath('checkout')}/enable`), 403, 'forbidden');
    expectProblem(await client.get(targetingPath('checkout')), 403, 'forbidden');
    expectProblem(await client.get('/projects/default/environments/production'), 403, 'forbidden');
    await client.get('/projects/default/flags/checkout').expect(200);
    // What changes every environment is beyond it.
    for (const route of ROUTES.filter(
      ({ method, path }) =>
        method !== 'get' && path.startsWith('/projects/default') && !path.includes('/environments/'),
    )) {
      const answer = await call(client, route);
      expect({ route: route.path, status: answer.status }).toEqual({ route: route.path, status: 403 });
    }
    expectProblem(
      await client.post('/tokens', { name: 'x', kind: 'management', project: 'default' }),
      403,
      'forbidden',
    );
    const { items } = (await client.get('/projects/default/changes?limit=200').expect(200)).body as {
      items: { environment: string | null }[];
    };
    expect(items.some(({ environment }) => environment === 'development')).toBe(true);
    expect(items.some(({ environment }) => environment === 'production')).toBe(false);
  });

  it('cannot read another environment by copying from it', async () => {
    const client = await manager({ role: 'editor', project: 'default', environments: ['development'] });
    expectProblem(
      await client.post(`${targetingPath('checkout', 'development')}/copy`, { from: 'production' }),
      403,
      'forbidden',
    );
  });

  it('ends with its last environment', async () => {
    await api.admin.post('/projects/other/environments', { key: 'short' }).expect(201);
    const client = await manager({ role: 'viewer', project: 'other', environments: ['short'] });
    const used = await make({ kind: 'sdk', project: 'other', environment: 'short' });
    const unused = await make({ kind: 'sdk', project: 'other', environment: 'short' });
    await api.as(used.token).get('/sdk/v1/snapshot').expect(200);
    await api.admin.delete('/projects/other/environments/short?confirm=short').expect(204);
    // A new environment of the same key is another one.
    await api.admin.post('/projects/other/environments', { key: 'short' }).expect(201);
    expectProblem(await client.get('/projects/other/environments/short'), 401, 'token_refused');
    expectProblem(await api.as(unused.token).get('/sdk/v1/snapshot'), 401, 'token_refused');
    // What was asked for just now is believed until the notice of the deletion arrives.
    await expect.poll(async () => (await api.as(used.token).get('/sdk/v1/snapshot')).status).toBe(401);
    expectProblem(await api.as(used.token).get('/sdk/v1/snapshot'), 401, 'token_refused');
  });
});

describe('an SDK key', () => {
  it('opens its environment below /sdk and nothing else', async () => {
    const key = api.as(await api.sdkKey('development'));
    expect((await key.get('/sdk/v1/snapshot').expect(200)).body).toMatchObject({
      project: 'default',
      environment: 'development',
    });
    for (const route of ROUTES) expectProblem(await call(key, route), 403, 'forbidden');
  });

  it('is what /sdk takes: a management token is refused there', async () => {
    expectProblem(await api.admin.get('/sdk/v1/snapshot'), 403, 'forbidden');
    expectProblem(await api.as(undefined).get('/sdk/v1/snapshot'), 401, 'token_missing');
  });
});

describe('FLEDGE_ADMIN_TOKEN', () => {
  it('may do everything without being in the database', async () => {
    await api.admin.get('/changes').expect(200);
    expect((await everyRow(api.databaseUrl)).join('\n')).not.toContain(ADMIN_TOKEN);
    expect(await sql(api.databaseUrl, 'SELECT 1 FROM token WHERE name = $1', ['FLEDGE_ADMIN_TOKEN'])).toEqual([]);
    const { items } = (await api.admin.get('/projects/other/changes?action=project.created').expect(200)).body;
    expect(items).toMatchObject([{ actor: { id: 'environment', name: 'FLEDGE_ADMIN_TOKEN', kind: 'environment' } }]);
  });
});

describe('without a token', () => {
  it('every management route answers 401 and says how to send one', async () => {
    for (const route of ROUTES) {
      const answer = await call(api.as(undefined), route);
      expectProblem(answer, 401, 'token_missing');
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="fledge"');
      expectProblem(await call(api.as('fledge_admin_unknown'), route), 401, 'token_refused');
    }
  });
});
