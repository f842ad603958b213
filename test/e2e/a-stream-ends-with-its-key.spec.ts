import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@fledge/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { ServiceClient } from '../support/service-client.js';
import { sql } from '../support/sql.js';
import { openStream } from '../support/sse.js';
import { until } from '../support/wait.js';

let first: TestApi;
let second: TestApi;
let admin: ServiceClient;

beforeAll(async () => {
  first = await startApi();
  second = await startApi(
    { FLEDGE_LIMIT_STREAMS_PER_KEY: '3' },
    { url: first.databaseUrl, drop: async () => undefined },
  );
  admin = new ServiceClient(first.url);
  await admin.makeFlags('checkout');
});

afterAll(async () => {
  await second.stop();
  await first.stop();
});

describe('a key that is revoked on one replica', () => {
  it('ends its streams on the others within moments, and no other stream', async () => {
    const revoked = await admin.makeKey();
    const kept = await openStream(second.url, (await admin.makeKey()).key);
    const streams = [await openStream(first.url, revoked.key), await openStream(second.url, revoked.key)];
    for (const stream of streams) await stream.next('put');
    await admin.must('DELETE', `/tokens/${revoked.id}`);
    for (const stream of streams) await stream.end(2_000);
    expect((await openStream(second.url, revoked.key)).status).toBe(401);
    const version = await admin.toggle('checkout', true);
    await kept.next('put');
    expect((await kept.next('patch')).data).toMatchObject({ version });
    kept.close();
  });

  it('ends them within seconds when no notification arrives', async () => {
    const { id, key } = await admin.makeKey();
    const stream = await openStream(second.url, key);
    await stream.next('put');
    await sql(first.databaseUrl, `UPDATE token SET revoked_at = now() WHERE id = $1`, [id]);
    await stream.end(5_500);
    // What was asked about a key is believed for two seconds.
    const refused = async (): Promise<boolean> => {
      const again = await openStream(second.url, key);
      again.close();
      return again.status === 401;
    };
    await until(refused, 'the key is refused', 2_500, 200);
    expect(await refused()).toBe(true);
  });

  it('ends them while changes pour in', async () => {
    const over = new AbortController();
    const pour = (async () => {
      for (let on = true; !over.signal.aborted; on = !on) await admin.toggle('checkout', on);
    })();
    for (let round = 0; round < 10; round++) {
      const { id, key } = await admin.makeKey();
      const streams = await Promise.all(Array.from({ length: 10 }, () => openStream(first.url, key)));
      await sleep(Math.random() * 20);
      await admin.must('DELETE', `/tokens/${id}`);
      await Promise.all(streams.map((stream) => stream.end(2_000)));
    }
    over.abort();
    await pour;
    await until(() => first.runtime.streams.size === 0, 'none is left');
    expect(first.runtime.streams.tokens()).toEqual([]);
  });

  it('leaves an SDK with what it had, and says so', async () => {
    const { id, key } = await admin.makeKey();
    const client = createClient({ url: second.url, sdkKey: key });
    await client.ready();
    const { version } = client.status;
    await admin.must('DELETE', `/tokens/${id}`);
    await until(() => client.status.state === 'refused', 'the SDK knows');
    expect(client.status.version).toBe(version);
    await client.close();
  });
});

describe('a key that expires', () => {
  it('ends its streams', async () => {
    const { key } = await admin.makeKey('production', { expiresAt: new Date(Date.now() + 1_500).toISOString() });
    const stream = await openStream(second.url, key);
    await stream.next('put');
    await stream.end(8_000);
    expect((await openStream(second.url, key)).status).toBe(401);
  });
});

describe('an environment that is deleted', () => {
  it('ends its streams', async () => {
    await admin.must('POST', '/projects/default/environments', { key: 'trial' });
    const { key } = await admin.makeKey('trial');
    const stream = await openStream(second.url, key);
    await stream.next('put');
    await admin.must('DELETE', '/projects/default/environments/trial?confirm=trial');
    await stream.end(2_000);
    expect((await openStream(second.url, key)).status).toBe(401);
  });
});

describe('the limit of streams per key', () => {
  it('holds against many who come at once, and names itself', async () => {
    // Of an environment that this replica has not loaded yet.
    const { key } = await admin.makeKey('development');
    const streams = await Promise.all(Array.from({ length: 12 }, () => openStream(second.url, key)));
    const refused = streams.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(9);
    await refused[0]?.end();
    expect(JSON.parse(refused[0]?.text ?? '')).toMatchObject({
      status: 429,
      code: 'too_many_streams',
      detail: 'The limit streamsPerKey is 3.',
    });
    expect(refused[0]?.headers['retry-after']).toMatch(/^\d+$/);
    const other = await openStream(second.url, (await admin.makeKey()).key);
    expect(other.status).toBe(200);
    for (const stream of [other, ...streams]) stream.close();
    await until(async () => {
      const again = await openStream(second.url, key);
      again.close();
      return again.status === 200;
    }, 'there is room again');
  });

  it('leaves an SDK that is refused a stream to poll', async () => {
    const { key } = await admin.makeKey();
    const streams = await Promise.all(Array.from({ length: 3 }, () => openStream(second.url, key)));
    const client = createClient({ url: second.url, sdkKey: key, random: () => 0 });
    await client.ready({ timeoutMs: 10_000 });
    expect(client.status.state).toBe('ready');
    await client.close();
    for (const stream of streams) stream.close();
  });
});
