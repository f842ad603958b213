import { createClient } from '@fledge/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { ServiceClient } from '../support/service-client.js';
import { sql } from '../support/sql.js';
import { openStream, type StreamReader } from '../support/sse.js';
import { startTcpProxy, through, type TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/wait.js';

/** Has a good connection to the database. */
let first: TestApi;
/** Reaches the database over a network that fails. */
let second: TestApi;
let network: TcpProxy;
let admin: ServiceClient;
let key: string;
let on = false;
const streams: StreamReader[] = [];

/** Short, so that the test need not wait for the 15 s of a real replica. */
const SILENCE_MS = 2_500;

beforeAll(async () => {
  first = await startApi();
  network = await startTcpProxy(first.databaseUrl);
  const shared = { url: through(network, first.databaseUrl), drop: async () => undefined };
  second = await startApi({}, shared, { silenceMs: SILENCE_MS });
  admin = new ServiceClient(first.url);
  key = (await admin.makeKey()).key;
  await admin.makeFlags('checkout');
});

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  network.mend();
  network.delay(0);
  network.cutAfter(undefined);
  network.amend(undefined);
  network.resume();
  const isWell = ({ ready, changes }: Record<string, unknown>): boolean => ready === true && changes === 'listening';
  await until(async () => isWell(await state()), 'all is well', 15_000);
});

afterAll(async () => {
  await second.stop();
  await network.close();
  await first.stop();
});

const state = async (): Promise<Record<string, unknown>> =>
  (await new ServiceClient(second.url).ask('GET', '/health/ready')).body as Record<string, unknown>;

async function listen(): Promise<StreamReader> {
  const stream = await openStream(second.url, key);
  streams.push(stream);
  await stream.next('put');
  return stream;
}

/** Writes through the first replica and waits until the stream of the second has it. */
async function reaches(stream: StreamReader, ms: number): Promise<void> {
  on = !on;
  const version = await admin.toggle('checkout', on);
  await until(() => stream.events.at(-1)?.data['version'] === version, 'the stream has it', ms);
}

/** No event of the stream is missing, doubled or out of order. */
function expectGapless(stream: StreamReader): void {
  const [start, ...rest] = stream.events;
  let at = start?.data['version'];
  for (const { type, data } of rest) {
    expect([type, data['from']]).toEqual(['patch', at]);
    at = data['version'];
  }
}

describe('a network between a replica and its database', () => {
  it('that is slow makes changes late, and takes none', async () => {
    const stream = await listen();
    network.delay(150);
    for (let count = 0; count < 3; count++) await reaches(stream, 5_000);
    expectGapless(stream);
  });

  it('that stalls takes readiness, and no SDK its snapshot; writes are refused, not kept waiting', async () => {
    const stream = await listen();
    const sdk = new ServiceClient(second.url, key);
    const held = (await sdk.must('GET', '/sdk/v1/snapshot')).body.revision as string;
    network.stall();
    const wrote = new ServiceClient(second.url).ask('POST', '/projects', { key: 'never' });
    expect(await state()).toMatchObject({ ready: false, database: 'unreachable' });
    await until(async () => (await state()).changes === 'polling', 'it knows that it hears nothing', 12_000, 500);
    const refused = await wrote;
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    const answer = await sdk.ask('GET', '/sdk/v1/snapshot', undefined, { 'if-none-match': `"${held}"` });
    expect(answer.status).toBe(304);
    // A revision that this replica cannot look up now is no reason to keep the client waiting either.
    const ahead = await openStream(second.url, key, { lastEventId: '99999-unheardO' });
    streams.push(ahead);
    expect((await ahead.next('put', 8_000)).data).not.toHaveProperty('reset');
    expect(stream.ended).toBe(false);
    network.resume();
    await reaches(stream, 15_000);
    expectGapless(stream);
  });

  it('that forgets the connections, and tells nobody, is noticed within seconds', async () => {
    const stream = await listen();
    network.strand();
    await reaches(stream, 15_000);
    await new ServiceClient(second.url).must('GET', '/projects');
    expectGapless(stream);
  });

  it('that is cut for a while has lost nothing when it is back', async () => {
    const stream = await listen();
    network.cut();
    for (let count = 0; count < 3; count++) {
      on = !on;
      await admin.toggle('checkout', on);
    }
    await until(async () => !(await state()).ready, 'the replica knows');
    network.mend();
    await reaches(stream, 10_000);
    expectGapless(stream);
  });
});

/** What PostgreSQL says when it is killed at the moment in which a connection becomes ready, in one piece with that. */
function dieWhenReady(data: Buffer): Buffer {
  if (!data.subarray(-6).equals(Buffer.from('Z\0\0\0\x05I', 'latin1'))) return data;
  const fields = 'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0';
  const head = Buffer.from('E\0\0\0\0');
  head.writeUInt32BE(4 + fields.length, 1);
  return Buffer.concat([data, head, Buffer.from(fields)]);
}

describe('a database', () => {
  it('that ends a connection in the moment in which it is ready costs a request, not the process', async () => {
    network.amend(dieWhenReady);
    network.reset();
    for (let count = 0; count < 5; count++)
      expect((await new ServiceClient(second.url).ask('GET', '/projects')).status).toBe(503);
    network.amend(undefined);
    await until(
      async () => (await new ServiceClient(second.url).ask('GET', '/projects')).status === 200,
      'it is answered',
    );
  });
});

describe('the backend that notifies a replica', () => {
  it('is replaced when it is terminated, again and again, and nothing is missed meanwhile', async () => {
    const stream = await listen();
    for (let count = 0; count < 5; count++) {
      const [ended] = await sql<{ count: number }>(
        first.databaseUrl,
        `SELECT count(pg_terminate_backend(pid))::int AS count FROM pg_stat_activity
         WHERE application_name = 'fledge-feed' AND datname = current_database()`,
      );
      expect(ended?.count).toBeGreaterThan(0);
      await reaches(stream, 6_000);
    }
    expectGapless(stream);
  });
});

describe('a network between an SDK and the service', () => {
  it('that cuts every connection in the middle of an event leaves it whole snapshots only, and none that is older', async () => {
    const bad = await startTcpProxy(second.url);
    const seen: number[] = [];
    const client = createClient({
      url: `http://127.0.0.1:${bad.port}`,
      sdkKey: key,
      pollIntervalMs: 300,
      random: () => 0.02,
    });
    await client.ready();
    client.on('change', ({ version }) => void seen.push(version));
    for (let count = 0; count < 12; count++) {
      // Within the head of the answer, within the event that begins the stream, or within the patch.
      bad.cutAfter(200 + count * 60);
      bad.reset();
      on = !on;
      const version = await admin.toggle('checkout', on);
      if (count % 4 !== 3) continue;
      bad.cutAfter(undefined);
      bad.reset();
      await until(() => client.status.version === version, 'the SDK is there');
      expect(client.boolean('checkout', { targetingKey: 'u' }, !on)).toBe(on);
    }
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    await client.close();
    await bad.close();
  });
});
