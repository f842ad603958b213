import { ConfigError, readConfig } from '@fledge/api';
import { DEFAULT_LIMITS } from '@fledge/store';
import type { Response, Test } from 'supertest';
import { afterEach, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startApi, targetingPath, type Settings, type TestApi } from '../support/api.js';
import { expectProblem } from '../support/problem.js';

let api: TestApi;
afterEach(() => api.stop());

/** Asks at once so often that no window could let all of it pass. */
const burst = (ask: () => Test): Promise<Response[]> => Promise.all(Array.from({ length: 40 }, () => ask()));

function expectSomeRefused(answers: readonly Response[], variable: string, maximum: number): void {
  const refused = answers.filter(({ status }) => status === 429);
  // Fewer than the maximum when what prepared the test falls into the same window.
  expect(answers.some(({ status }) => status === 200)).toBe(true);
  expect(refused.length).toBeGreaterThan(0);
  for (const { text, headers } of refused) {
    expect(text).toContain(variable);
    expect(text).toContain(String(maximum));
    expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
  }
}

describe('requests', () => {
  it('with one management token are limited, and hinder no other token', async () => {
    api = await startApi({ FLEDGE_LIMIT_MANAGEMENT_PER_SECOND: '3' });
    const other = await api.admin.post('/tokens', { name: 'other', kind: 'management', role: 'viewer' }).expect(201);
    const answers = await burst(() => api.admin.get('/projects'));
    expectSomeRefused(answers, 'FLEDGE_LIMIT_MANAGEMENT_PER_SECOND', 3);
    const refused = answers.find(({ status }) => status === 429) ?? answers[0];
    if (refused === undefined) throw new Error('Nothing was answered.');
    expect(expectProblem(refused, 429, 'too_many_requests')).toMatchObject({
      limit: 'managementPerSecond',
      maximum: 3,
    });
    await api
      .as((other.body as { token: string }).token)
      .get('/projects')
      .expect(200);
  });

  it('with one SDK key are limited', async () => {
    api = await startApi({ FLEDGE_LIMIT_SDK_PER_SECOND: '3' });
    const sdk = api.as(await api.sdkKey());
    expectSomeRefused(await burst(() => sdk.get('/sdk/v1/snapshot')), 'FLEDGE_LIMIT_SDK_PER_SECOND', 3);
  });

  it('of remote evaluation are limited, in a refusal that browsers may read', async () => {
    api = await startApi({ FLEDGE_LIMIT_OFREP_PER_SECOND: '3' });
    const key = await api.sdkKey();
    const ask = (): Test =>
      api.as(key).post('/ofrep/v1/evaluate/flags', { context: {} }).set('origin', 'https://shop.example');
    const answers = await burst(ask);
    expectSomeRefused(answers, 'FLEDGE_LIMIT_OFREP_PER_SECOND', 3);
    for (const { headers } of answers) expect(headers['access-control-allow-origin']).toBe('https://shop.example');
  });

  it('from one address are limited, whatever they ask and whomever they claim to come from', async () => {
    api = await startApi({ FLEDGE_LIMIT_ADDRESS_PER_SECOND: '3' });
    let claimed = 0;
    const ask = (): Test =>
      api
        .as(undefined)
        .get('/health/live')
        .set('x-forwarded-for', `192.0.2.${(claimed += 1)}`);
    expectSomeRefused(await burst(ask), 'FLEDGE_LIMIT_ADDRESS_PER_SECOND', 3);
  });

  it('that a trusted proxy passes on count for who sent them, an IPv6 network as one', async () => {
    api = await startApi({ FLEDGE_LIMIT_ADDRESS_PER_SECOND: '3', FLEDGE_TRUSTED_PROXIES: 'loopback' });
    const from = (address: (n: number) => string): Promise<Response[]> => {
      let n = 0;
      return burst(() =>
        api
          .as(undefined)
          .get('/health/live')
          .set('x-forwarded-for', address((n += 1))),
      );
    };
    expect((await from((n) => `192.0.2.${n}`)).every(({ status }) => status === 200)).toBe(true);
    expectSomeRefused(await from(() => '198.51.100.7'), 'FLEDGE_LIMIT_ADDRESS_PER_SECOND', 3);
    expectSomeRefused(await from((n) => `2001:db8::${n.toString(16)}`), 'FLEDGE_LIMIT_ADDRESS_PER_SECOND', 3);
    expect((await from((n) => `2001:db8:0:${n.toString(16)}::1`)).every(({ status }) => status === 200)).toBe(true);
  });
});

describe('who guesses tokens', () => {
  it('is stopped after some, and hinders no good token from the same address', async () => {
    api = await startApi({ FLEDGE_LIMIT_REFUSALS_PER_MINUTE: '5' });
    const good = api.as(await api.sdkKey());
    await good.get('/sdk/v1/snapshot').expect(200);
    for (let n = 0; n < 5; n += 1) expectProblem(await guess(n), 401, 'token_refused');
    const refusal = expectProblem(await guess(6), 429, 'too_many_requests');
    expect(refusal.detail).toContain('FLEDGE_LIMIT_REFUSALS_PER_MINUTE');
    await good.get('/sdk/v1/snapshot').expect(200);
    await api.admin.get('/projects').expect(200);
    // Even a good guess is not looked up any more.
    expectProblem(await api.as(await api.sdkKey()).get('/sdk/v1/snapshot'), 429, 'too_many_requests');
  });

  const guess = (n: number): Test => api.as(`fledge_admin_${String(n).padStart(38, '0')}`).get('/projects');
});

describe('a body', () => {
  it('may be as large and as deep as the settings say', async () => {
    api = await startApi({ FLEDGE_LIMIT_BODY_BYTES: '2000', FLEDGE_LIMIT_BODY_DEPTH: '8' });
    const large = expectProblem(await api.admin.post('/projects', { key: 'x'.repeat(2_000) }), 413, 'body_too_large');
    expect(large).toMatchObject({ limit: 'bodyBytes', maximum: 2_000 });
    expect(large.detail).toContain('FLEDGE_LIMIT_BODY_BYTES');
    const nested = JSON.parse('[[[[[[[[]]]]]]]]') as unknown;
    const deep = expectProblem(await api.admin.post('/projects', { key: nested }), 422, 'too_deep');
    expect(deep).toMatchObject({ limit: 'bodyDepth', maximum: 8 });
    expect(deep.detail).toContain('FLEDGE_LIMIT_BODY_DEPTH');
  });
});

describe('everything that is kept', () => {
  const P = '/projects/default';
  const condition = (...values: string[]) => ({ attribute: 'a', operator: 'in', values });
  const rule = (id: string, ...conditions: unknown[]) => ({ id, conditions, serve: { variant: 'on' } });
  const targeting = (rules: unknown[], prerequisites: unknown[] = []): Test =>
    api.admin
      .put(targetingPath('a'), {
        enabled: true,
        offVariant: 'off',
        prerequisites,
        rules,
        fallthrough: { variant: 'on' },
      })
      .set('if-match', '*');

  /** What is one too many of each, when there may be two (of bytes: 64). */
  const TOO_MANY: Readonly<Record<keyof typeof DEFAULT_LIMITS, () => Test>> = {
    flagsPerProject: () => api.admin.post(`${P}/flags`, { key: 'c', type: 'boolean' }),
    cohortsPerProject: () => api.admin.post(`${P}/cohorts`, { key: 'c' }),
    environmentsPerProject: () => api.admin.post(`${P}/environments`, { key: 'staging' }),
    webhooksPerProject: () => api.admin.post(`${P}/webhooks`, { key: 'c', url: 'https://example.com/' }),
    rulesPerFlag: () => targeting(['x', 'y', 'z'].map((id) => rule(id))),
    conditionsPerRule: () => targeting([rule('x', condition('1'), condition('2'), condition('3'))]),
    valuesPerCondition: () => targeting([rule('x', condition('1', '2', '3'))]),
    variantsPerFlag: () => api.admin.patch(`${P}/flags/a`, { variants: { on: true, off: false, also: true } }),
    bytesPerValue: () => api.admin.patch(`${P}/flags/b`, { variants: { v: 'x'.repeat(65) } }),
    membersPerCohort: () => api.admin.post(`${P}/cohorts/b/members`, { list: 'included', add: ['1', '2', '3'] }),
    referenceDepth: () => targeting([], [{ flag: 'p1', variants: ['on'] }]),
  };

  it('is limited, and the refusal names the limit', async () => {
    api = await startApi();
    for (const key of ['p4', 'p3', 'p2', 'p1'])
      await api.admin.post(`${P}/flags`, { key, type: 'boolean' }).expect(201);
    for (const [flag, next] of [
      ['p1', 'p2'],
      ['p2', 'p3'],
      ['p3', 'p4'],
    ]) {
      const document = { enabled: true, offVariant: 'off', rules: [], fallthrough: { variant: 'on' } };
      await api.admin
        .put(targetingPath(flag ?? ''), { ...document, prerequisites: [{ flag: next, variants: ['on'] }] })
        .set('if-match', '*')
        .expect(200);
    }
    await api.admin.post(`${P}/flags`, { key: 'a', type: 'boolean' }).expect(201);
    await api.admin.post(`${P}/flags`, { key: 'b', type: 'string', variants: { v: 'x' } }).expect(201);
    for (const key of ['a', 'b']) {
      await api.admin.post(`${P}/cohorts`, { key }).expect(201);
      await api.admin.post(`${P}/webhooks`, { key, url: 'https://example.com/' }).expect(201);
    }
    const small: Settings = Object.fromEntries(
      Object.keys(DEFAULT_LIMITS).map((name) => [
        `FLEDGE_LIMIT_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
        name === 'bytesPerValue' ? '64' : '2',
      ]),
    );
    const roomy = api;
    api = await startApi(small, { url: roomy.databaseUrl, drop: () => Promise.resolve() });
    try {
      for (const [name, ask] of Object.entries(TOO_MANY)) {
        const answer = await ask();
        const {
          code,
          detail,
          errors = [],
        } = answer.body as {
          code: string;
          detail: string;
          errors?: { message: string }[];
        };
        const said = [detail, ...errors.map(({ message }) => message)].join(' ');
        expect({ name, status: answer.status }).toEqual({ name, status: 422 });
        expect(['invalid', 'limit_reached'], name).toContain(code);
        expect(said).toMatch(new RegExp(`\\b${name}\\b`));
        expect(said, name).toMatch(name === 'bytesPerValue' ? /\b64\b/ : /\b2\b/);
      }
    } finally {
      await roomy.app.close();
      await api.app.close();
      await api.runtime.stop();
      api = roomy;
    }
  });
});

it('a wrong limit, proxy, range or key stops the start, with every problem at once', async () => {
  api = await startApi();
  const problems = (): readonly string[] => {
    try {
      readConfig({
        FLEDGE_ADMIN_TOKEN: ADMIN_TOKEN,
        FLEDGE_LIMIT_BODY_BYTES: '1',
        FLEDGE_LIMIT_BODY_DEPTH: '101',
        FLEDGE_LIMIT_MANAGEMENT_PER_SECOND: '-1',
        FLEDGE_LIMIT_RULES_PER_FLAG: 'many',
        FLEDGE_SECRETS_KEY: `${Buffer.alloc(32).toString('base64')}, c2hvcnQ=`,
        FLEDGE_TRUSTED_PROXIES: 'loopback, 10.0.0.0/33',
        FLEDGE_WEBHOOK_ADDRESSES: '10.0.0.0/8, inside',
        FLEDGE_WEBHOOK_ATTEMPTS: '0',
        FLEDGE_WEBHOOK_HTTP: 'yes',
      });
      return [];
    } catch (error) {
      return error instanceof ConfigError ? error.problems : [];
    }
  };
  expect(new Set(problems().map((problem) => problem.split(':', 1)[0]))).toEqual(
    new Set([
      'FLEDGE_LIMIT_BODY_BYTES',
      'FLEDGE_LIMIT_BODY_DEPTH',
      'FLEDGE_LIMIT_MANAGEMENT_PER_SECOND',
      'FLEDGE_LIMIT_RULES_PER_FLAG',
      'FLEDGE_SECRETS_KEY',
      'FLEDGE_TRUSTED_PROXIES',
      'FLEDGE_WEBHOOK_ADDRESSES',
      'FLEDGE_WEBHOOK_ATTEMPTS',
      'FLEDGE_WEBHOOK_HTTP',
    ]),
  );
  for (const proxies of ['10.0.0.0/8,::1', 'uniquelocal', '192.0.2.1']) {
    expect(readConfig({ FLEDGE_TRUSTED_PROXIES: proxies }).http.trustedProxies).toEqual(proxies.split(','));
  }
});
