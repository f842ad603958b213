import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startApi, type TestApi } from '../support/api.js';
import { BULK, clientKey, makeFlag, one } from '../support/remote-evaluation.js';

/** Requests whose key was just looked up are answered ahead of the framework; nobody may be able to tell. */
let api: TestApi;
let sdk: string;
let client: string;
let confined: string;
let tagged: string;

const GATE = { id: 'percentage', conditions: [], gate: { percentage: 50 }, serve: { variant: 'on' } };

beforeAll(async () => {
  api = await startApi();
  sdk = await api.sdkKey();
  client = (await clientKey(api)).key;
  confined = (await clientKey(api, { allowedOrigins: ['https://shop.example'] })).key;
  tagged = (await clientKey(api, { kind: 'sdk', tags: ['first'] })).key;
  for (const key of ['a', 'b', 'c', 'd', 'e'])
    await makeFlag(api, { key, tags: key < 'c' ? ['first'] : [] }, { rules: [GATE], fallthrough: { variant: 'off' } });
  await makeFlag(api, { key: 'text', type: 'string', variants: { one: 'ключ ✓', two: '2', three: '3' } });
});
afterAll(() => api.stop());

type Request = {
  readonly method: string;
  readonly path: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** Everything of an answer but what is of one request alone. */
async function ask({ method, path, token, headers = {}, body }: Request) {
  const answer = await fetch(api.url + path, {
    method,
    headers: {
      'accept-encoding': 'identity',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body }),
  });
  const { date: _, 'x-request-id': id, ...told } = Object.fromEntries(answer.headers);
  expect(id).toMatch(/\S/);
  return { status: answer.status, headers: told, body: await answer.text() };
}

/** The answer when nothing is known of the key, and once it is. */
async function both(request: Request) {
  api.runtime.authenticator.forget();
  return { cold: await ask(request), warm: await ask(request) };
}

describe('a snapshot', () => {
  const snapshot = { method: 'GET', path: '/sdk/v1/snapshot' };

  it.each(['identity', 'gzip', 'br'])('in %s', async (coding) => {
    for (const token of [sdk, tagged]) {
      const { cold, warm } = await both({ ...snapshot, token, headers: { 'accept-encoding': coding } });
      expect(warm).toEqual(cold);
      expect([warm.status, warm.headers['content-encoding']]).toEqual([
        200,
        coding === 'identity' ? undefined : coding,
      ]);
    }
  });

  it('for who holds it, another one, or nothing that is known', async () => {
    const { etag = '' } = (await ask({ ...snapshot, token: sdk })).headers;
    for (const [held, status] of [
      [etag, 304],
      [`W/${etag}`, 304],
      ['"1-someones"', 200],
      ['"nonsense"', 200],
    ] as const) {
      const { cold, warm } = await both({ ...snapshot, token: sdk, headers: { 'if-none-match': held } });
      expect(warm).toEqual(cold);
      expect({ held, status: warm.status }).toEqual({ held, status });
    }
  });

  it('for HEAD, which has no body', async () => {
    const { cold, warm } = await both({ ...snapshot, method: 'HEAD', token: sdk });
    expect(warm).toEqual(cold);
    expect([warm.status, warm.body]).toEqual([200, '']);
    expect(Number(warm.headers['content-length'])).toBeGreaterThan(100);
  });

  it('for those who may not have it', async () => {
    for (const [token, status] of [
      [undefined, 401],
      ['fledge_sdk_unknown', 401],
      [client, 403],
      [ADMIN_TOKEN, 403],
    ] as const) {
      const { cold, warm } = await both({ ...snapshot, ...(token !== undefined && { token }) });
      expect(warm).toEqual(cold);
      expect(warm.status).toBe(status);
    }
  });
});

describe('an evaluation', () => {
  const context = (id: string): string => JSON.stringify({ context: { targetingKey: id } });

  it('of one flag and of all, for one context after the other', async () => {
    for (const id of ['user-1', 'user-2', 'user-3', 'user-4'])
      for (const path of [BULK, one('a'), one('text'), one('nope'), one('a/b')]) {
        const request = { method: 'POST', path, token: client, body: context(id) };
        const { cold, warm } = await both(request);
        expect(warm).toEqual(cold);
        expect(await ask({ ...request, token: sdk, headers: { origin: 'https://any.example' } })).toMatchObject({
          status: warm.status,
          headers: { 'access-control-allow-origin': 'https://any.example' },
        });
      }
  });

  it('of all says of each flag what it says alone', async () => {
    for (const id of ['user-1', 'user-2', 'user-3', '']) {
      const all = await ask({ method: 'POST', path: BULK, token: client, body: context(id) });
      const { flags } = JSON.parse(all.body) as { flags: { key: string; metadata?: object }[] };
      expect(flags.length).toBeGreaterThan(5);
      for (const { key, metadata, ...answer } of flags) {
        const single = await ask({ method: 'POST', path: one(key), token: client, body: context(id) });
        const { metadata: more, ...rest } = JSON.parse(single.body) as { metadata: Record<string, unknown> };
        expect({ key, ...answer }).toEqual(rest);
        const { version: __, ...same } = more;
        expect(metadata ?? {}).toEqual(same);
      }
    }
  });

  it('with a key that sees a part of the flags', async () => {
    for (const [path, status, flags] of [
      [BULK, 200, 2],
      [one('a'), 200, undefined],
      [one('c'), 404, undefined],
    ] as const) {
      const { cold, warm } = await both({ method: 'POST', path, token: tagged, body: context('user-1') });
      expect(warm).toEqual(cold);
      expect(warm.status).toBe(status);
      expect((JSON.parse(warm.body) as { flags?: object[] }).flags?.length).toBe(flags);
    }
  });

  it('that is held, refused, or not to be understood', async () => {
    const all = { method: 'POST', path: BULK, token: confined };
    const { etag = '' } = (await ask({ ...all, body: context('user-1') })).headers;
    const shop = { origin: 'https://shop.example' };
    for (const [request, status] of [
      [{ ...all, body: context('user-1'), headers: { ...shop, 'if-none-match': etag } }, 304],
      [{ ...all, body: context('user-1'), headers: { origin: 'https://other.example' } }, 403],
      [{ ...all, body: '{"context":7}', headers: shop }, 400],
      [{ ...all, body: '{"context":', headers: shop }, 400],
      [{ ...all, path: one('a'), body: '{"context":{"targetingKey":7}}' }, 400],
      [{ ...all, path: one('nope'), body: '{}' }, 404],
      [{ ...all, path: `${BULK}?flagConfigEtag=999999-aaaaaaaa`, body: '{}' }, 200],
      [{ ...all, token: ADMIN_TOKEN, body: '{}' }, 403],
    ] as const) {
      const { cold, warm } = await both(request);
      expect(warm).toEqual(cold);
      expect({ path: request.path, body: request.body, status: warm.status }).toMatchObject({ status });
    }
  });
});

describe('a key that was known', () => {
  it('is refused once it is revoked, and counted like any other', async () => {
    const { id, key } = await clientKey(api);
    const request = { method: 'POST', path: BULK, token: key, body: '{}' };
    for (let times = 0; times < 3; times += 1) expect((await ask(request)).status).toBe(200);
    await api.admin.delete(`/tokens/${id}`).expect(204);
    await expect.poll(async () => (await ask(request)).status).toBe(401);
  });

  it('is counted in the metrics under its route', async () => {
    const count = async (): Promise<number> => {
      const { text } = await api.as(undefined).get('/metrics').expect(200);
      const line = /_count\{method="GET",route="\/sdk\/v1\/snapshot",status="200"\} (\d+)/.exec(text)?.[1];
      return Number(line ?? 0);
    };
    const request = { method: 'GET', path: '/sdk/v1/snapshot', token: sdk };
    await ask(request);
    const before = await count();
    await ask(request);
    await expect.poll(count).toBe(before + 1);
  });
});
