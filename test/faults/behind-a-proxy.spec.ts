import { createClient } from '@fledge/sdk';
import type { Snapshot } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { program } from '../support/debian.js';
import { startNginx, type Nginx } from '../support/nginx.js';
import { buildReplica, launchReplica, type Replica } from '../support/replica.js';
import { ServiceClient } from '../support/service-client.js';
import { openStream } from '../support/sse.js';
import { until } from '../support/wait.js';

const binary = await program('nginx', 'nginx-light');

let database: TestDatabase;
/** Processes, those that live. */
let replicas: Replica[];
let proxy: Nginx;
let admin: ServiceClient;

/** How many streams each replica holds. */
const streamsHeld = (): Promise<number[]> =>
  Promise.all(replicas.map(({ url }) => new ServiceClient(url).figure('fledge_streams_open')));

describe.skipIf(binary === undefined)('three replicas behind nginx, configured as in docs/operations.md', () => {
  beforeAll(async () => {
    await buildReplica();
    database = await createDatabase();
    replicas = await Promise.all(Array.from({ length: 3 }, () => launchReplica(database.url)));
    for (const replica of replicas) await replica.ready();
    proxy = await startNginx(
      binary ?? '',
      replicas.map(({ url }) => url),
    );
    admin = new ServiceClient(proxy.url);
    await admin.begin();
    await admin.makeFlags('checkout');
  }, 120_000);

  afterAll(async () => {
    await proxy.stop();
    for (const replica of replicas) await replica.kill();
    await database.drop();
  });

  const get = (key: string, revision?: string) =>
    new ServiceClient(proxy.url, key).ask(
      'GET',
      '/sdk/v1/snapshot',
      undefined,
      revision === undefined ? {} : { 'if-none-match': `"${revision}"` },
    );

  it('streams of all replicas bring a write at once, whichever replica took it', async () => {
    const { key } = await admin.makeKey();
    const streams = await Promise.all(Array.from({ length: 9 }, () => openStream(proxy.url, key)));
    for (const stream of streams) await stream.next('put');
    expect(await streamsHeld()).toEqual([3, 3, 3]);
    for (const on of [true, false, true, false]) {
      const version = await admin.toggle('checkout', on);
      for (const stream of streams) expect((await stream.next('patch', 5_000)).data['version']).toBe(version);
    }
    for (const stream of streams) stream.close();
    await until(async () => (await streamsHeld()).join() === '0,0,0', 'nginx hangs up behind clients');
  });

  it('a write that any of them acknowledged is seen through each of the others', async () => {
    const { key } = await admin.makeKey();
    for (let count = 0; count < 9; count++) {
      const writer = replicas[count % 3] as Replica;
      const version = await writer.admin.toggle('checkout', count % 2 === 0);
      for (const { url } of replicas) {
        const seen = async () => (await new ServiceClient(url, key).must('GET', '/sdk/v1/snapshot')).body as Snapshot;
        await until(async () => (await seen()).version === version, 'the replica has it', 3_000, 5);
      }
      expect((await get(key)).body).toMatchObject({ version });
    }
  });

  it('the cache answers nobody with the snapshot of another key, whatever was asked before or is asked now', async () => {
    const part = (await admin.makeKey('production', { tags: ['nobody'] })).key;
    const asks = [
      { key: (await admin.makeKey()).key, sees: { environment: 'production', flags: { checkout: {} } } },
      { key: (await admin.makeKey('development')).key, sees: { environment: 'development' } },
      { key: part, sees: { environment: 'production', flags: {} } },
    ];
    for (let round = 0; round < 5; round++) {
      const asked = Array.from({ length: 21 }, async (_, count) => {
        const { key, sees } = asks[count % 3] as (typeof asks)[number];
        const { body } = await get(key);
        expect(body).toMatchObject(sees);
        if (key === part) expect(body.flags).toEqual({});
      });
      await Promise.all(asked);
    }
    expect((await fetch(`${proxy.url}/sdk/v1/snapshot`)).status).toBe(401);
    expect((await get('fledge_sdk_unknown')).status).toBe(401);
    expect(await proxy.cacheStatuses()).toContain('REVALIDATED');
  });

  it('the cache asks a replica every time, so that the newest snapshot comes and a revoked key never', async () => {
    const { id, key } = await admin.makeKey();
    const held = (await get(key)).body as Snapshot;
    expect((await get(key, held.revision)).status).toBe(304);
    const version = await admin.toggle('checkout', held.flags['checkout']?.enabled !== true);
    await until(async () => (await get(key)).body.version === version, 'the write is seen', 3_000);
    expect((await get(key, held.revision)).body).toMatchObject({ version });
    await admin.must('DELETE', `/tokens/${id}`);
    // The other replicas hear of it a moment later than the one that did it.
    for (const { url } of replicas) {
      const refused = async () => (await new ServiceClient(url, key).ask('GET', '/sdk/v1/snapshot')).status === 401;
      await until(refused, 'each replica refuses the key', 5_000);
    }
    for (let count = 0; count < 6; count++) {
      expect((await get(key)).status).toBe(401);
      expect((await get(key, held.revision)).status).toBe(401);
    }
  });

  it('the cache keeps codings apart', async () => {
    const { key } = await admin.makeKey();
    for (const coding of ['gzip', 'identity', 'gzip', 'br', 'identity']) {
      const answer = await get(key);
      expect(answer.status).toBe(200);
      const raw = await fetch(`${proxy.url}/sdk/v1/snapshot`, {
        headers: { authorization: `Bearer ${key}`, 'accept-encoding': coding },
      });
      expect(raw.headers.get('content-encoding')).toBe(coding === 'identity' ? null : coding);
      expect(await raw.json()).toEqual(answer.body);
    }
  });

  it('an SDK goes on at another replica when its own is stopped, and at the last when that is killed', async () => {
    const { key } = await admin.makeKey();
    const client = createClient({ url: proxy.url, sdkKey: key, random: () => 0.1 });
    await client.ready();
    for (const end of ['stop', 'kill'] as const) {
      await until(async () => (await streamsHeld()).includes(1), 'it streams');
      const index = (await streamsHeld()).indexOf(1);
      const [own] = replicas.splice(index, 1);
      await own?.[end]();
      const version = await admin.toggle('checkout', end === 'stop');
      await until(() => client.status.version === version, 'it follows');
      expect(client.boolean('checkout', { targetingKey: 'u' }, end !== 'stop')).toBe(end === 'stop');
    }
    expect(replicas).toHaveLength(1);
    await until(async () => (await streamsHeld()).join() === '1', 'it streams from the last');
    await client.close();
  });
});
