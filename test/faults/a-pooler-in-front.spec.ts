import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { program } from '../support/debian.js';
import { startPgBouncer, type PgBouncer } from '../support/pgbouncer.js';
import { ServiceClient } from '../support/service-client.js';
import { sql } from '../support/sql.js';
import { openStream } from '../support/sse.js';
import { until } from '../support/wait.js';

const binary = await program('pgbouncer', 'pgbouncer');

let first: TestApi;
let pooler: PgBouncer;
let admin: ServiceClient;
let key: string;

describe.skipIf(binary === undefined)('with a transaction pooler in front of the database', () => {
  beforeAll(async () => {
    first = await startApi();
    pooler = await startPgBouncer(binary ?? '', first.databaseUrl);
    admin = new ServiceClient(first.url);
    key = (await admin.makeKey()).key;
    await admin.makeFlags('checkout');
  });

  afterAll(async () => {
    await pooler.stop();
    await first.stop();
  });

  const shared = () => ({ url: pooler.url, drop: async () => undefined });
  const changes = async (api: TestApi): Promise<unknown> =>
    (await new ServiceClient(api.url).must('GET', '/health/ready')).body.changes;

  it('a replica whose listener bypasses it hears of every change, and writes through it', async () => {
    const second = await startApi({ DATABASE_DIRECT_URL: first.databaseUrl }, shared());
    await until(async () => (await changes(second)) === 'listening', 'it listens');
    const stream = await openStream(second.url, key);
    await stream.next('put');
    const writer = new ServiceClient(second.url);
    // Many at once, on fewer connections than replicas have: transactions of different writers share them.
    const races = Array.from({ length: 20 }, (_, index) => writer.toggle('checkout', index % 2 === 0));
    const newest = Math.max(...(await Promise.all(races)));
    await until(() => stream.events.at(-1)?.data['version'] === newest, 'the stream has them all');
    expect(await changes(second)).toBe('listening');
    stream.close();
    await second.stop();
  });

  it('a replica whose listener does not bypass it finds out, says so and reads the log every second', async () => {
    await admin.toggle('checkout', false);
    const second = await startApi({}, shared());
    const stream = await openStream(second.url, key);
    await stream.next('put');
    const version = await admin.toggle('checkout', true);
    expect((await stream.next('patch', 8_000)).data['version']).toBe(version);
    await until(async () => (await changes(second)) === 'polling', 'it has found out', 4_000);
    for (const on of [false, true, false]) {
      const next = await admin.toggle('checkout', on);
      expect((await stream.next('patch', 3_000)).data['version']).toBe(next);
    }
    stream.close();
    await second.stop();
  });

  it('no advisory lock and no session is left behind by those who came through it', async () => {
    const [left] = await sql<{ locks: number }>(
      first.databaseUrl,
      `SELECT count(*)::int AS locks FROM pg_locks WHERE locktype = 'advisory'`,
    );
    expect(left?.locks).toBe(0);
  });
});
