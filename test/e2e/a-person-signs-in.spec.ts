import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { ConfigError, readConfig } from '@fledge/api';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { Browser } from '../support/browser.js';
import { until } from '../support/wait.js';
import { CLIENT, startIdentityProvider, type IdentityProvider } from '../support/identity-provider.js';

let api: TestApi;
let provider: IdentityProvider;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

const settings = (issuer: string, publicUrl: string): Record<string, string> => ({
  FLEDGE_PUBLIC_URL: publicUrl,
  FLEDGE_OIDC_ISSUER: issuer,
  FLEDGE_OIDC_CLIENT_ID: CLIENT.id,
  FLEDGE_OIDC_CLIENT_SECRET: CLIENT.secret,
  FLEDGE_OIDC_SCOPE: 'openid profile groups',
  FLEDGE_OIDC_ROLES_CLAIM: 'groups',
  FLEDGE_OIDC_ROLES: 'platform:admin, developers:editor, on call:operator',
});

beforeAll(async () => {
  // The provider tells at length how it is to be set up where people depend on it, and that newer versions of Node.js are better tested.
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  vi.spyOn(console, 'info').mockImplementation(() => undefined);
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  provider = await startIdentityProvider(`${publicUrl}/login/callback`, true);
  api = await startApi(settings(provider.issuer, publicUrl), undefined, {}, port);
});
afterAll(async () => {
  await api.stop();
  await provider.stop();
  vi.restoreAllMocks();
});

const ADA = { sub: 'ada-1', name: 'Ada Lovelace', groups: ['developers', 'chess'] };
const write = (headers: Record<string, string>): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify({ key: `flag-${Math.random().toString(36).slice(2)}`, type: 'boolean' }),
});
const FLAGS = '/api/v1/projects/default/flags';

async function signIn(person: typeof ADA = ADA): Promise<Browser> {
  const browser = new Browser();
  provider.person = person;
  const { answer, address } = await browser.go(`${api.url}/login`);
  expect({ status: answer.status, path: new URL(address).pathname }).toEqual({ status: 200, path: '/docs' });
  return browser;
}

describe('a person whom the provider vouches for', () => {
  it('works with the role of their claims, under their own name', async () => {
    const browser = await signIn();
    const made = await browser.ask(api.url + FLAGS, write({ 'sec-fetch-site': 'same-origin' }));
    expect(made.status).toBe(201);
    const { key } = (await made.json()) as { key: string };
    const { body } = await api.admin.get(`/projects/default/changes?key=${key}`).expect(200);
    const { items } = body as { items: { actor: object }[] };
    expect(items[0]?.actor).toEqual({ id: 'ada-1', name: 'Ada Lovelace', kind: 'person' });
    // An editor administers nothing.
    expect((await browser.ask(`${api.url}/api/v1/tokens`)).status).toBe(403);
  });

  it('is listed with the tokens, can be shut out there, and is in the log', async () => {
    const browser = await signIn({ ...ADA, sub: 'bob-2', name: 'Bob' });
    const { body } = await api.admin.get('/tokens?limit=200').expect(200);
    const { items } = body as { items: { id: string; person: string | null; role: string; expiresAt: string }[] };
    const session = items.find(({ person }) => person === 'bob-2');
    expect(session).toMatchObject({ role: 'editor', expiresAt: expect.any(String) as string });
    await api.admin.delete(`/tokens/${session?.id ?? ''}`).expect(204);
    expect((await browser.ask(api.url + FLAGS)).status).toBe(401);
    const log = await api.admin.get(`/changes?key=${session?.id ?? ''}`).expect(200);
    expect((log.body as { items: object[] }).items).toMatchObject([
      { action: 'token.revoked' },
      { action: 'token.created', actor: { kind: 'person', id: 'bob-2' } },
    ]);
  });

  it('signs out, for good', async () => {
    const browser = await signIn();
    const thief = browser.cookie(api.url, 'fledge-session');
    expect(thief).toMatch(/^fledge_admin_/);
    const out = await browser.ask(`${api.url}/api/v1/logout`, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'same-origin' },
    });
    expect(out.status).toBe(204);
    expect(browser.cookie(api.url, 'fledge-session')).toBeUndefined();
    await until(async () => (await api.as(thief).get('/projects')).status === 401, 'the session is ended');
    expect((await browser.ask(api.url + FLAGS)).status).toBe(401);
  });

  it('cannot be made to write by another site', async () => {
    const browser = await signIn();
    for (const headers of [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ]) {
      const answer = await browser.ask(api.url + FLAGS, write(headers));
      expect({ headers, status: answer.status }).toEqual({ headers, status: 403 });
    }
    expect((await browser.ask(api.url + FLAGS, write({ origin: api.url }))).status).toBe(201);
  });

  it('holds a cookie that no script reads and no other site sends', async () => {
    const browser = new Browser();
    provider.person = ADA;
    const { next } = await browser.go(`${api.url}/login`, (address) => address.includes('/login/callback'));
    const answer = await browser.ask(next ?? '');
    const cookie = answer.headers.getSetCookie().find((line) => line.startsWith('fledge-session='));
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toMatch(/domain/i);
    expect(answer.headers.get('location')).toBe('/docs');
    // The session is for management: a cookie opens nothing that asks for a key.
    expect((await browser.ask(`${api.url}/sdk/v1/snapshot`)).status).toBe(401);
  });
});

describe('who is not let in', () => {
  it('has no role by their claims', async () => {
    provider.person = { sub: 'eve', name: 'Eve', groups: ['chess'] };
    const { answer } = await new Browser().go(`${api.url}/login`);
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: 'no_role' });
    expect(answer.headers.getSetCookie().join()).not.toContain('fledge-session');
  });

  it('says no at the provider', async () => {
    provider.person = undefined;
    const { answer } = await new Browser().go(`${api.url}/login`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'login_failed' });
  });

  it('comes with an answer that another browser asked for, that is forged, or that was used already', async () => {
    provider.person = ADA;
    const victim = new Browser();
    const attacker = new Browser();
    const { next = '' } = await attacker.go(`${api.url}/login`, (address) => address.includes('/login/callback'));
    // No attempt of one's own, then an attempt of another state.
    expect((await victim.ask(next)).status).toBe(400);
    await victim.ask(`${api.url}/login`);
    expect((await victim.ask(next)).status).toBe(400);
    const forged = new URL(next);
    forged.searchParams.set('code', 'x'.repeat(43));
    const other = new Browser();
    const begun = await other.go(`${api.url}/login`, (address) => address.includes('/login/callback'));
    forged.searchParams.set('state', new URL(begun.next ?? '').searchParams.get('state') ?? '');
    expect((await other.ask(forged.href)).status).toBe(400);
    expect((await attacker.ask(next)).status).toBe(302);
    expect((await attacker.ask(next)).status).toBe(400);
    for (const query of [
      '',
      '?code=',
      '?state=&code=',
      '?error=x&error_description=<script>',
      '?code=a&code=b&state=c',
    ]) {
      expect((await new Browser().ask(`${api.url}/login/callback${query}`)).status).toBe(400);
    }
  });
});

describe('the provider', () => {
  it('may keep what it knows of a person until it is asked, and may be away', async () => {
    const port = await freePort();
    const publicUrl = `http://127.0.0.1:${port}`;
    const quiet = await startIdentityProvider(`${publicUrl}/login/callback`, false);
    quiet.person = { ...ADA, groups: ['platform'] };
    const other = await startApi(settings(quiet.issuer, publicUrl), undefined, {}, port);
    try {
      const browser = new Browser();
      const { address } = await browser.go(`${publicUrl}/login`);
      expect(new URL(address).pathname).toBe('/docs');
      expect((await browser.ask(`${publicUrl}/api/v1/tokens`)).status).toBe(200);
    } finally {
      await other.stop();
      await quiet.stop();
    }
    const lonely = await startApi(settings(quiet.issuer, 'http://127.0.0.1:1'));
    try {
      const answer = await lonely.as(undefined).get('/login').expect(503);
      expect(answer.headers['retry-after']).toMatch(/^\d+$/);
      await lonely.admin.get('/projects').expect(200);
    } finally {
      await lonely.stop();
    }
  });

  it('is not needed: without one /login is 404, and no cookie is looked at', async () => {
    const plain = await startApi();
    try {
      const refused = await plain.as(undefined).get('/login');
      expect(refused.body).toMatchObject({ status: 404, code: 'no_login' });
      await plain.as(undefined).get('/login/callback?code=x&state=y').expect(404);
      const { body } = await plain.admin.post('/tokens', { name: 'x', kind: 'management', role: 'admin' }).expect(201);
      const { token } = body as { token: string };
      await plain.as(undefined).get('/projects').set('cookie', `fledge-session=${token}`).expect(401);
      await plain.as(token).post('/logout').expect(404);
    } finally {
      await plain.stop();
    }
  });

  it('that is half configured, or reached in the clear, stops the start with every problem', () => {
    const problemsOf = (env: Record<string, string>): string[] => {
      try {
        readConfig(env);
        return [];
      } catch (error) {
        return error instanceof ConfigError ? error.problems.map((problem) => problem.split(':', 1)[0] ?? '') : [];
      }
    };
    expect(problemsOf({ FLEDGE_OIDC_CLIENT_ID: 'x', FLEDGE_OIDC_ROLES: 'a:admin' })).toEqual([
      'FLEDGE_OIDC_CLIENT_ID',
      'FLEDGE_OIDC_ROLES',
    ]);
    expect(problemsOf({ FLEDGE_OIDC_ISSUER: 'https://id.example' })).toEqual([
      'FLEDGE_OIDC_CLIENT_ID',
      'FLEDGE_PUBLIC_URL',
    ]);
    const whole = settings('https://id.example', 'https://flags.example');
    expect(problemsOf(whole)).toEqual([]);
    expect(
      problemsOf({ ...whole, FLEDGE_OIDC_ISSUER: 'http://id.example', FLEDGE_PUBLIC_URL: 'https://flags.example/x' }),
    ).toContain('FLEDGE_PUBLIC_URL');
    expect(problemsOf({ ...whole, FLEDGE_OIDC_ROLES: 'a:root', FLEDGE_OIDC_SCOPE: 'profile' })).toEqual([
      'FLEDGE_OIDC_ROLES',
      'FLEDGE_OIDC_SCOPE',
    ]);
  });
});
