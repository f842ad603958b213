import { createClient } from '@fledge/sdk';
import type { Snapshot } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { program } from '../support/debian.js';
import { startNginx, type Nginx } from '../support/nginx.js';
import { ServiceClient } from '../support/service-client.js';
import { openStream } from '../support/sse.js';
import { until } from '../support/wait.js';

const binary = await program('nginx', 'nginx-light');

let replicas: TestApi[];
let proxy: Nginx;
let admin: ServiceClient;

describe.skipIf(binary === undefined)('behind nginx, configured as in docs/operations.md', () => {
  beforeAll(async () => {
    const first = await startApi();
    const shared = { url: first.databaseUrl, drop: async () => undefined };
    replicas = [await startApi({}, shared), await startApi({}, shared), first];
    proxy = await startNginx(
      binary ?? '',
      replicas.map(({ url }) => url),
    );
    admin = new ServiceClient(proxy.url);
    await admin.makeFlags('checkout');
  });

  afterAll(async () => {
    await proxy.stop();
    for (const replica of replicas) await replica.stop();
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
    expect(replicas.map(({ runtime }) => runtime.streams.size)).toEqual([3, 3, 3]);
    for (const on of [true, false, true, false]) {
      const version = await admin.toggle('checkout', on);
      for (const stream of streams) expect((await stream.next('patch', 5_000)).data['version']).toBe(version);
    }
    for (const stream of streams) stream.close();
    await until(() => replicas.every(({ runtime }) => runtime.streams.size === 0), 'nginx hangs up behind clients');
  });

  it('an SDK goes on at another replica when its own shuts down', async () => {
    const { key } = await admin.makeKey();
    const client = createClient({ url: proxy.url, sdkKey: key, random: () => 0.1 });
    await client.ready();
    const own = replicas.find(({ runtime }) => runtime.streams.size > 0);
    own?.runtime.streams.drain();
    await until(() => replicas.some((each) => each !== own && each.runtime.streams.size > 0), 'it has moved');
    const version = await admin.toggle('checkout', true);
    await until(() => client.status.version === version, 'it follows');
    expect(client.boolean('checkout', { targetingKey: 'u' }, false)).toBe(true);
    await client.close();
  });

  it('the cache answers nobody with the snapshot of another key, whatever was asked before', async () => {
    const environments = ['production', 'development'];
    const keys = await Promise.all(environments.map(async (environment) => (await admin.makeKey(environment)).key));
    for (let count = 0; count < 12; count++) {
      const [environment, key] = [environments[count % 2], keys[count % 2]] as [string, string];
      expect((await get(key)).body).toMatchObject({ environment });
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
    await until(async () => (await get(key)).status === 401, 'the key is refused', 5_000);
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
});
