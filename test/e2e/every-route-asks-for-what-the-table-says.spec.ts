import { readFile } from 'node:fs/promises';
import { Controller, Get } from '@nestjs/common';
import { DiscoveryModule, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { createApp, createLogger, DeclaredAccess, readConfig, withAccessTable } from '@fledge/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { OPEN_ROUTES, ROUTES } from '../support/routes.js';
import { sql } from '../support/sql.js';

type Row = {
  readonly method: string;
  readonly path: string;
  readonly role?: (typeof RANKS)[number];
  readonly everything?: true;
  readonly for?: 'everybody' | 'sdk' | 'evaluation';
};
/** A route as the OpenAPI document has it: what the server itself says that it answers. */
type Served = { readonly method: string; readonly template: string };
type Kind = {
  readonly name: string;
  readonly text?: string | undefined;
  readonly role?: (typeof RANKS)[number];
  readonly project?: string;
  readonly environments?: readonly string[];
  readonly key?: 'sdk' | 'client';
  readonly invalid?: true;
};

const RANKS = ['viewer', 'operator', 'editor', 'admin'] as const;
const TABLE: readonly Row[] = [...ROUTES.map((row) => ({ ...row, path: `/api/v1${row.path}` })), ...OPEN_ROUTES];

let api: TestApi;
let served: Served[];
const kinds: Kind[] = [];

beforeAll(async () => {
  api = await startApi();
  const document = (await api.as(undefined).get('/openapi.json').expect(200)).body as {
    paths: Record<string, Record<string, unknown>>;
  };
  served = Object.entries(document.paths).flatMap(([template, methods]) =>
    Object.keys(methods).map((method) => ({ method, template })),
  );
  await api.admin.post('/projects', { key: 'other' }).expect(201);
  await makeKinds();
});
afterAll(() => api.stop());

async function make(body: object): Promise<{ id: string; token: string }> {
  return (await api.admin.post('/tokens', { name: 'test', ...body }).expect(201)).body as { id: string; token: string };
}

async function makeKinds(): Promise<void> {
  const place = { project: 'default', environment: 'production' };
  for (const role of RANKS) kinds.push({ name: role, role, text: (await make({ kind: 'management', role })).token });
  for (const [name, scope] of Object.entries({
    'admin of another project': { project: 'other' },
    'admin of this project': { project: 'default' },
    'admin of another environment': { project: 'default', environments: ['development'] },
    'admin of this environment': { project: 'default', environments: ['production'] },
  })) {
    const { token } = await make({ kind: 'management', role: 'admin', ...scope });
    kinds.push({ name, role: 'admin', text: token, ...scope });
  }
  for (const key of ['sdk', 'client'] as const)
    kinds.push({ name: `${key} key`, key, text: (await make({ kind: key, ...place })).token });
  const ended = [
    await make({ kind: 'management', role: 'admin' }),
    await make({ kind: 'sdk', ...place }),
    await make({ kind: 'client', ...place }),
  ];
  for (const { id, token } of ended) {
    await api.admin.delete(`/tokens/${id}`).expect(204);
    kinds.push({ name: `revoked ${token.slice(7, 12)}`, text: token, invalid: true });
  }
  const expired = await make({ kind: 'management', role: 'admin' });
  await sql(api.databaseUrl, `UPDATE token SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired.id]);
  kinds.push({ name: 'expired', text: expired.token, invalid: true });
  const rotated = await make({ kind: 'management', role: 'admin' });
  await api.admin.post(`/tokens/${rotated.id}/rotate`, { grace: '1h' }).expect(201);
  kinds.push({ name: 'rotated, in its grace', role: 'admin', text: rotated.token });
  const replaced = await make({ kind: 'management', role: 'admin' });
  await api.admin.post(`/tokens/${replaced.id}/rotate`, { grace: '0s' }).expect(201);
  kinds.push({ name: 'rotated, after its grace', text: replaced.token, invalid: true });
  kinds.push({ name: 'none', invalid: true });
  kinds.push({ name: 'never made', text: 'fledge_admin_4kZp8Qw2Lr6Tn0Vb3Xc5Ym7Ad9Gf1HjKs0aB1cD', invalid: true });
  kinds.push({ name: 'no text of ours', text: 'x'.repeat(40), invalid: true });
}

/** What the table says about this token: 401, 403, or that the route itself answers. */
function expected({ template }: Served, row: Row, kind: Kind): 401 | 403 | 'answered' {
  if (row.for === 'everybody') return 'answered';
  if (kind.invalid === true) return 401;
  if (row.for === 'sdk') return kind.key === 'sdk' ? 'answered' : 403;
  if (row.for === 'evaluation') return kind.key === undefined ? 403 : 'answered';
  if (kind.role === undefined || row.role === undefined) return 403;
  if (RANKS.indexOf(kind.role) < RANKS.indexOf(row.role)) return 403;
  if (row.everything === true && kind.project !== undefined) return 403;
  if (template.includes('{project}') && kind.project !== undefined && kind.project !== 'default') return 403;
  if (kind.environments === undefined) return 'answered';
  if (template.includes('{environment}')) return kind.environments.includes('production') ? 'answered' : 403;
  return row.method === 'get' ? 'answered' : 403;
}

/** Names what there is as far as the guard looks, and nothing beyond, so that no request does anything. */
const harmless = (template: string): string =>
  template
    .replace('{project}', 'default')
    .replace('{environment}', 'production')
    .replace('/tokens/{id}', '/tokens/00000000-0000-4000-8000-000000000000')
    .replaceAll(/\{\w+\}/g, 'no-such-thing');

async function statusOf({ method, template }: Served, { text }: Kind): Promise<number> {
  const abort = new AbortController();
  const sends = method !== 'get' && method !== 'delete';
  const answer = await fetch(api.url + harmless(template), {
    method: method.toUpperCase(),
    redirect: 'manual',
    signal: abort.signal,
    headers: {
      ...(text === undefined ? {} : { authorization: `Bearer ${text}` }),
      ...(sends ? { 'content-type': 'application/json' } : {}),
    },
    ...(sends ? { body: '{}' } : {}),
  });
  abort.abort();
  return answer.status;
}

const rowsFor = ({ method, template }: Served): readonly Row[] => {
  const pattern = new RegExp(`^${template.replaceAll('.', String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}$`);
  const matching = TABLE.filter((row) => row.method === method && pattern.test(row.path));
  // /changes/export is no change with the id "export".
  return matching.filter((row) => row.path === template || !served.some((other) => other.template === row.path));
};

describe('the table', () => {
  it('has a row for every route, and no row for anything else', () => {
    const bare = served.filter((route) => rowsFor(route).length === 0);
    expect(bare).toEqual([]);
    const known = new Set(served.flatMap((route) => rowsFor(route)));
    expect(TABLE.filter((row) => !known.has(row))).toEqual([]);
    expect(served.length).toBeGreaterThan(45);
  });

  it('lets nobody below operator write', () => {
    for (const row of ROUTES.filter(({ method, asks }) => method !== 'get' && asks !== true))
      expect(row.role, `${row.method} ${row.path}`).not.toBe('viewer');
  });

  it('is what the page for people shows (after a change: npm run openapi)', async () => {
    const page = await readFile(new URL('../../docs/access.md', import.meta.url), 'utf8');
    expect(withAccessTable(page, api.app)).toBe(page);
  });
});

describe('a route that says nothing about who may call it', () => {
  it('does not start when a controller has it', async () => {
    class Forgetful {
      secret(): string {
        return 'everything';
      }
    }
    Controller('secrets')(Forgetful);
    const secret = Object.getOwnPropertyDescriptor(Forgetful.prototype, 'secret');
    if (secret === undefined) throw new Error('A method is gone.');
    Get()(Forgetful.prototype, 'secret', secret);
    const forgotten = { module: DiscoveryModule, controllers: [Forgetful], providers: [DeclaredAccess] };
    const app = await NestFactory.create(forgotten, new FastifyAdapter(), { logger: false, abortOnError: false });
    await expect(app.init()).rejects.toThrow('These routes declare no access: Forgetful.secret.');
  });

  it('does not start when the HTTP server itself has it', async () => {
    const config = readConfig({ DATABASE_URL: api.databaseUrl, LOG_LEVEL: 'silent' });
    const app = await createApp(api.runtime, createLogger(config, false));
    const server = app.getHttpAdapter().getInstance();
    server.get('/secret', async () => 'everything');
    await expect(app.listen(0, '127.0.0.1')).rejects.toThrow(
      'These routes declare no access: GET /secret, HEAD /secret.',
    );
    await app.close();
  });
});

describe('every route, asked with every kind of token,', () => {
  it('answers as the table says', async () => {
    const differing: string[] = [];
    let asked = 0;
    for (const route of served) {
      const [row] = rowsFor(route);
      if (row === undefined) continue;
      const statuses = await Promise.all(kinds.map((kind) => statusOf(route, kind)));
      for (const [index, kind] of kinds.entries()) {
        const status = statuses[index] ?? 0;
        const is = status === 401 || status === 403 ? status : 'answered';
        const wanted = route.template === '/ofrep/v1/stream' ? 401 : expected(route, row, kind);
        if (is !== wanted || status >= 500)
          differing.push(`${route.method} ${route.template} with ${kind.name}: ${status} instead of ${wanted}`);
        asked += 1;
      }
    }
    expect(differing).toEqual([]);
    expect(asked).toBe(served.length * kinds.length);
  }, 120_000);
});
