import type { Response } from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type Client, type TestApi } from '../support/api.js';
import { askAll, BULK, clientKey, edit, makeFlag, one } from '../support/remote-evaluation.js';
import { sql } from '../support/sql.js';

let api: TestApi;
let client: Client;

const GERMANY = [{ attribute: 'country', operator: 'in', values: ['DE'] }];
const HALVES = {
  split: [
    { variant: 'on', weight: 1 },
    { variant: 'off', weight: 1 },
  ],
};

beforeAll(async () => {
  api = await startApi();
  client = api.as((await clientKey(api)).key);
  await makeFlag(api, { key: 'static' });
  await makeFlag(
    api,
    { key: 'germany' },
    { rules: [{ id: 'germany', conditions: GERMANY, serve: { variant: 'on' } }], fallthrough: { variant: 'off' } },
  );
  await makeFlag(api, { key: 'halves' }, { fallthrough: HALVES });
  await makeFlag(api, { key: 'dark' }, { enabled: false });
  await makeFlag(api, { key: 'undecided' }, { enabled: false, offVariant: null });
  const values = { text: '', number: 0, list: [], object: {}, nested: { list: [{ deep: null }], ключ: '✓' } };
  for (const [key, value] of Object.entries(values)) {
    const type = typeof value;
    await makeFlag(api, {
      key,
      type,
      variants: { only: value },
      metadata: { owner: 'shop', size: 3, core: true },
    });
  }
  await makeFlag(api, { key: 'old' });
  await api.admin.post('/projects/default/flags/old/archive').expect(200);
  await makeFlag(api, { key: 'broken' });
  await sql(
    api.databaseUrl,
    `UPDATE targeting SET document = jsonb_set(document, '{fallthrough}', '{"variant": "nowhere"}')
     WHERE flag_id = (SELECT id FROM flag WHERE key = 'broken')`,
  );
});
afterAll(() => api.stop());

/** What the protocol says of a refusal: the code, what a person may read, and the key where one flag was asked for. */
const refusal = (errorCode: string, key?: string): object => ({
  ...(key !== undefined && { key }),
  errorCode,
  errorDetails: expect.stringMatching(/\S/) as string,
});

describe('one flag', () => {
  it('is answered with 200 and key, value, variant, reason and metadata', async () => {
    const answer = await client.post(one('germany'), { context: { targetingKey: 'user-7', country: 'DE' } });
    expect({ status: answer.status, body: answer.body as unknown }).toEqual({
      status: 200,
      body: {
        key: 'germany',
        value: true,
        variant: 'on',
        reason: 'TARGETING_MATCH',
        metadata: { version: expect.any(Number) as number, ruleId: 'germany' },
      },
    });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      vary: 'Origin',
    });
  });

  it('carries the reasons of OpenFeature', async () => {
    const reasons = Object.fromEntries(
      Object.entries(await askAll(client, { targetingKey: 'user-7' })).map(([key, { reason }]) => [key, reason]),
    );
    expect(reasons).toMatchObject({ static: 'STATIC', germany: 'DEFAULT', halves: 'SPLIT', dark: 'DISABLED' });
  });

  it.each([
    ['text', ''],
    ['number', 0],
    ['dark', false],
    ['list', []],
    ['object', {}],
    ['nested', { list: [{ deep: null }], ключ: '✓' }],
  ])('has the value of %s as it is, and the metadata of the flag', async (key, value) => {
    const { body } = await client.post(one(key), { context: {} }).expect(200);
    expect(body).toMatchObject({ key, value });
    if (key !== 'dark') expect(body).toMatchObject({ metadata: { owner: 'shop', size: 3, core: true } });
  });

  it("has no value and no variant where the caller's default is meant", async () => {
    const { body } = await client.post(one('undecided'), { context: {} }).expect(200);
    const metadata = { version: expect.any(Number) as number };
    expect(body).toEqual({ key: 'undecided', reason: 'DISABLED', metadata });
  });

  it('may be asked for nobody in particular, and a split then falls to the default', async () => {
    for (const body of [{}, { context: {} }, { context: { country: 'DE' }, more: 1 }]) {
      const answer = await client.post(one('halves'), body).expect(200);
      expect(answer.body).toMatchObject({ reason: 'DEFAULT', metadata: { unitMissing: 'targetingKey' } });
      expect(answer.body).not.toHaveProperty('value');
    }
  });

  it.each(['nope', 'old', 'constructor', 'a/b', 'ключ', 'k'.repeat(400)])(
    'that does not exist is 404 with its key: %s',
    async (key) => {
      const { body } = await client.post(one(key), { context: {} }).expect(404);
      expect(body).toMatchObject(refusal('FLAG_NOT_FOUND', key));
    },
  );

  it('that is broken is 400 with its key, and breaks no other', async () => {
    const { body } = await client.post(one('broken'), { context: {} }).expect(400);
    expect(body).toMatchObject(refusal('PARSE_ERROR', 'broken'));
    const all = await askAll(client);
    expect(all['broken']).toMatchObject(refusal('PARSE_ERROR', 'broken'));
    expect(all['static']).toMatchObject({ value: true });
  });
});

describe('a request that cannot be understood', () => {
  const deep = JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`) as unknown;
  const bodies: [name: string, body: string, errorCode: string, type?: string][] = [
    ['nothing', '', 'PARSE_ERROR'],
    ['half of JSON', '{"context":', 'PARSE_ERROR'],
    ['a list', '[]', 'PARSE_ERROR'],
    ['a number', '1', 'PARSE_ERROR'],
    ['null', 'null', 'PARSE_ERROR'],
    ['text of another type', 'context', 'PARSE_ERROR', 'text/plain'],
    ['a context that is null', '{"context":null}', 'INVALID_CONTEXT'],
    ['a context that is a list', '{"context":[]}', 'INVALID_CONTEXT'],
    ['a context that is a text', '{"context":"user-7"}', 'INVALID_CONTEXT'],
    ['a targeting key that is a number', '{"context":{"targetingKey":7}}', 'INVALID_CONTEXT'],
    ['a targeting key that is null', '{"context":{"targetingKey":null}}', 'INVALID_CONTEXT'],
    ['a context that is too deep', JSON.stringify({ context: { deep } }), 'INVALID_CONTEXT'],
    ['a context with a harmful key', '{"context":{"__proto__":{}}}', 'INVALID_CONTEXT'],
  ];
  const send = (path: string, body: string, type = 'application/json'): PromiseLike<Response> =>
    client.post(path).set('content-type', type).send(body);

  it.each(bodies)('is 400 with its code: %s', async (_, body, errorCode, type) => {
    const single = await send(one('static'), body, type);
    expect([single.status, single.body]).toEqual([400, refusal(errorCode, 'static')]);
    const all = await send(BULK, body, type);
    expect([all.status, all.body]).toEqual([400, refusal(errorCode)]);
  });

  it('is 413 when it is too large', async () => {
    const answer = await send(one('static'), JSON.stringify({ context: { text: 'x'.repeat(1_100_000) } }));
    expect([answer.status, answer.body]).toEqual([413, refusal('GENERAL', 'static')]);
  });
});

describe('a key', () => {
  const context = { context: {} };

  it('is taken as Bearer and as X-API-Key, of an SDK or of a client', async () => {
    for (const key of [await api.sdkKey(), (await clientKey(api)).key]) {
      const named = await api.as(undefined).post(BULK, context).set('x-api-key', key).expect(200);
      expect((await api.as(key).post(BULK, context).expect(200)).headers['etag']).toBe(named.headers['etag']);
    }
  });

  it('that is missing, unknown or revoked is 401 without a body', async () => {
    const { id, key } = await clientKey(api);
    await api.as(key).post(BULK, context).expect(200);
    await api.admin.delete(`/tokens/${id}`).expect(204);
    await expect.poll(async () => (await api.as(key).post(BULK, context)).status).toBe(401);
    for (const caller of [api.as(undefined), api.as('fledge_client_unknown'), api.as(key)]) {
      for (const path of [one('static'), BULK]) {
        const answer = await caller.post(path, context).expect(401);
        expect([answer.text, answer.headers['content-type']]).toEqual(['', undefined]);
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
      }
    }
  });

  it('of management may not evaluate, and a client key may do nothing else', async () => {
    const answer = await api.admin.post(one('static'), context).expect(403);
    expect(answer.body).toEqual(refusal('GENERAL', 'static'));
    await client.get('/sdk/v1/snapshot').expect(403);
    await client.get('/sdk/v1/stream').expect(403);
    await client.get('/projects').expect(403);
    await client.post(targetingPath('static') + '/disable').expect(403);
  });

  it('that asks too often is told in whole seconds when to ask again', async () => {
    const strict = await startApi({ FLEDGE_LIMIT_OFREP_PER_SECOND: '3' });
    const hasty = strict.as((await clientKey(strict)).key);
    const other = strict.as((await clientKey(strict)).key);
    const ask = async (): Promise<Response> => hasty.post(one('any'), context).set('origin', 'https://shop.example');
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers, body } of refused) {
      expect(body).toEqual(refusal('GENERAL', 'any'));
      expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
      expect(headers['access-control-allow-origin']).toBe('https://shop.example');
    }
    const all = await Promise.all(Array.from({ length: 10 }, async () => hasty.post(BULK, context)));
    expect(all.find(({ status }) => status === 429)?.body).toEqual(refusal('GENERAL'));
    await other.post(BULK, context).expect(200);
    await strict.stop();
  });
});

describe('all flags', () => {
  it('come with their ETag and where changes are told', async () => {
    const { headers, body } = await client.post(BULK, { context: {} }).expect(200);
    expect(headers).toMatchObject({
      etag: expect.stringMatching(/^"[\w-]{22}-\d+"$/) as string,
      'cache-control': 'no-store',
    });
    const { flags, ...rest } = body as { flags: { key: string; metadata?: object }[] };
    expect(flags.map(({ key }) => key)).toEqual(flags.map(({ key }) => key).toSorted());
    expect(flags.map(({ key }) => key)).not.toContain('old');
    const requestUri = expect.stringMatching(/^\/ofrep\/v1\/stream\?token=/) as string;
    expect(rest).toEqual({ eventStreams: [{ type: 'sse', endpoint: { requestUri }, inactivityDelaySec: 120 }] });
    for (const { metadata } of flags) expect(metadata ?? {}).not.toHaveProperty('version');
  });

  it('are 304 without a body to who holds the answer, and anew to who holds another', async () => {
    const body = { context: { targetingKey: 'user-7', country: 'DE' } };
    const etag = (await client.post(BULK, body).expect(200)).headers['etag'] ?? '';
    for (const held of [etag, `W/${etag}`, `"other", ${etag}`]) {
      const answer = await client.post(BULK, body).set('if-none-match', held).expect(304);
      expect([answer.text, answer.headers['etag'], answer.headers['cache-control']]).toEqual(['', etag, 'no-store']);
    }
    await client.post(BULK, body).set('if-none-match', '"other"').expect(200);
    await client
      .post(BULK, { context: { country: 'FR' } })
      .set('if-none-match', etag)
      .expect(200);
  });

  it('keep their ETag through a change that changes no answer, and lose it through one that does', async () => {
    const ask = () => client.post(BULK, { context: { targetingKey: 'user-7', country: 'FR' } });
    const etag = (await ask().expect(200)).headers['etag'] ?? '';
    await edit(api, 'germany', { rules: [{ id: 'other', conditions: GERMANY, serve: { variant: 'on' } }] });
    const { version } = (await api.admin.get(targetingPath('germany')).expect(200)).body as { version: number };
    await expect
      .poll(async () => ((await client.post(one('germany'), {})).body as { metadata: object }).metadata)
      .toEqual({ version });
    await ask().set('if-none-match', etag).expect(304);
    await edit(api, 'germany', { fallthrough: { variant: 'on' } });
    await expect.poll(async () => (await ask().set('if-none-match', etag)).status).toBe(200);
  });
});

describe('a browser', () => {
  it('has every preflight answered with 204, whatever its origin', async () => {
    for (const path of [BULK, one('static'), '/ofrep/v1/stream']) {
      const answer = await api.as(undefined).options(path).set('origin', 'https://anyone.example').expect(204);
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-headers': 'authorization, content-type, x-api-key, if-none-match',
        'access-control-allow-methods': 'GET, POST',
      });
    }
  });

  it('may read the answers of a key that is for its origin, whatever they are', async () => {
    const { key } = await clientKey(api, { allowedOrigins: ['https://shop.example', 'http://localhost:8080'] });
    const ask = (path: string, origin: string) => api.as(key).post(path, { context: {} }).set('origin', origin);
    for (const origin of ['https://shop.example', 'http://localhost:8080']) {
      const first = await ask(BULK, origin).expect(200);
      const again = await ask(BULK, origin)
        .set('if-none-match', first.headers['etag'] ?? '')
        .expect(304);
      const missing = await ask(one('nope'), origin).expect(404);
      for (const { headers } of [first, again, missing]) {
        expect(headers).toMatchObject({
          'access-control-allow-origin': origin,
          'access-control-expose-headers': 'ETag, Retry-After',
          vary: 'Origin',
        });
      }
    }
    for (const origin of ['https://other.example', 'http://shop.example', 'https://shop.example:8443', 'null']) {
      const { headers, body } = await ask(one('static'), origin).expect(403);
      expect(headers).not.toHaveProperty('access-control-allow-origin');
      expect([headers['vary'], body]).toEqual(['Origin', refusal('GENERAL', 'static')]);
    }
    await api.as(key).post(BULK, { context: {} }).expect(200);
  });

  it('may come from anywhere when the key does not say from where', async () => {
    const { headers } = await client.post(BULK, { context: {} }).set('origin', 'https://any.example').expect(200);
    expect(headers['access-control-allow-origin']).toBe('https://any.example');
  });
});
