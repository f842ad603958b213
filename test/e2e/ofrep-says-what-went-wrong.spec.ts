import type { Response } from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { BULK, clientKey, one } from '../support/remote-evaluation.js';
import { sql } from '../support/sql.js';
import { startTcpProxy, through, type TcpProxy } from '../support/tcp-proxy.js';

const ORIGIN = 'https://shop.example';

let healthy: TestApi;
/** A replica on the same database, over a network that can be cut. */
let cut: TestApi;
let network: TcpProxy;

beforeAll(async () => {
  healthy = await startApi();
  network = await startTcpProxy(healthy.databaseUrl);
  cut = await startApi(
    {},
    { url: through(network, healthy.databaseUrl), drop: () => Promise.resolve() },
    { directUrl: healthy.databaseUrl },
  );
});
afterAll(async () => {
  network.mend();
  await cut.stop();
  await network.close();
  await healthy.stop();
});

const ask = (api: TestApi, key: string | undefined, path: string, body: unknown = { context: {} }) =>
  api.as(key).post(path, body).set('origin', ORIGIN);

/** What a script of the page can see of an answer. */
const readable = ({ status, body, headers }: Response) => ({
  status,
  body: body as unknown,
  origin: headers['access-control-allow-origin'],
  exposed: headers['access-control-expose-headers'],
  vary: headers['vary'],
});

const refused = (status: number, errorCode: string, key?: string) => ({
  status,
  body: {
    ...(key !== undefined && { key }),
    errorCode,
    errorDetails: expect.stringMatching(/\S/) as string,
  },
  origin: ORIGIN,
  exposed: 'ETag, Retry-After',
  vary: 'Origin',
});

describe('a page that is refused before its key is known', () => {
  it('can read that it has to send another key', async () => {
    for (const path of [BULK, one('banner')]) {
      for (const key of [undefined, 'fledge_client_unknown'])
        expect(readable(await ask(healthy, key, path))).toEqual({
          ...refused(401, ''),
          body: {},
        });
    }
  });

  it('can read that its key is of the wrong kind, its body no JSON, or too large, or the path wrong', async () => {
    const { key } = await clientKey(healthy);
    const json = (text: string, path = BULK) => ask(healthy, key, path, text).set('content-type', 'application/json');
    const management = await healthy.admin.post(one('banner'), { context: {} }).set('origin', ORIGIN);
    expect(readable(management)).toEqual(refused(403, 'GENERAL', 'banner'));
    expect(readable(await json('{"context":'))).toEqual(refused(400, 'PARSE_ERROR'));
    expect(readable(await json('{"context":[]}', one('banner')))).toEqual(refused(400, 'INVALID_CONTEXT', 'banner'));
    expect(readable(await json(`"${'x'.repeat(1_100_000)}"`))).toEqual(refused(413, 'GENERAL'));
    expect(readable(await ask(healthy, key, '/ofrep/v2/evaluate/flags'))).toEqual(refused(404, 'GENERAL'));
  });

  it('cannot read anything when the key is not for its origin', async () => {
    const { key } = await clientKey(healthy, { allowedOrigins: ['https://other.example'] });
    for (const path of [BULK, one('banner'), one('nope')])
      expect(readable(await ask(healthy, key, path))).toMatchObject({ status: 403, origin: undefined });
  });
});

describe('while the database is away', () => {
  it('who is not known here is told in whole seconds when to ask again', async () => {
    const { key } = await clientKey(healthy);
    network.cut();
    try {
      for (const [path, flag] of [
        [BULK, undefined],
        [one('banner'), 'banner'],
      ] as const) {
        const answer = await ask(cut, key, path);
        expect(readable(answer)).toEqual(refused(503, 'GENERAL', flag));
        expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/);
      }
    } finally {
      network.mend();
    }
  });
});

describe('a fault of the service', () => {
  it('is 500 with the key of the flag, and says nothing of the inside', async () => {
    const { key } = await clientKey(healthy, { environment: 'development' });
    await sql(healthy.databaseUrl, 'ALTER TABLE targeting RENAME TO mislaid');
    try {
      const [single, all] = [await ask(healthy, key, one('banner')), await ask(healthy, key, BULK)];
      expect(readable(single)).toEqual(refused(500, 'GENERAL', 'banner'));
      expect(readable(all)).toEqual(refused(500, 'GENERAL'));
      for (const { text } of [single, all]) expect(text).not.toMatch(/targeting|relation|select/i);
    } finally {
      await sql(healthy.databaseUrl, 'ALTER TABLE mislaid RENAME TO targeting');
    }
    await ask(healthy, key, BULK).expect(200);
  });
});
