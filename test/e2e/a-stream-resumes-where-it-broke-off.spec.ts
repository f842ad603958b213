import { ServerResponse } from 'node:http';
import { createClient } from '@fledge/sdk';
import type { Change, Snapshot } from '@fledge/evaluation';
import { SnapshotStore } from '@fledge/store';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { ServiceClient } from '../support/service-client.js';
import { sql } from '../support/sql.js';
import { openStream, type StreamEvent, type StreamReader, type StreamRequest } from '../support/sse.js';
import { startTcpProxy, through, type TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/wait.js';

/** Writes here. */
let first: TestApi;
/** Streams come from here: its way to the database can be watched and spoiled. */
let second: TestApi;
let network: TcpProxy;
let admin: ServiceClient;
let key: string;
const streams: StreamReader[] = [];

beforeAll(async () => {
  first = await startApi();
  network = await startTcpProxy(first.databaseUrl);
  second = await startApi({}, { url: through(network, first.databaseUrl), drop: async () => undefined });
  admin = new ServiceClient(first.url);
  key = (await admin.makeKey()).key;
  await admin.makeFlags('checkout', 'search');
});

afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
  network.mend();
});

afterAll(async () => {
  await second.stop();
  await network.close();
  await first.stop();
});

async function open(options: StreamRequest = {}): Promise<StreamReader> {
  const stream = await openStream(second.url, key, options);
  streams.push(stream);
  return stream;
}

/** Writes so many times; answers the last version. */
async function writes(count: number): Promise<number> {
  let version = 0;
  for (let index = 0; index < count; index++) {
    const enabled = (await state()).enabled as boolean;
    version = await admin.toggle('checkout', !enabled);
  }
  return version;
}

const state = async (): Promise<Record<string, unknown>> =>
  (await admin.must('GET', '/projects/default/environments/production/flags/checkout')).body as Record<string, unknown>;

/** The revision that the second replica is at, once it is at that of the log. */
async function newest(): Promise<string> {
  const revision = await logged();
  const sdk = new ServiceClient(second.url, key);
  await until(async () => (await sdk.must('GET', '/sdk/v1/snapshot')).body.revision === revision, 'it follows');
  return revision;
}

async function logged(): Promise<string> {
  const [row] = await past<{ revision: string }>(`SELECT revision FROM environment WHERE key = 'production'`);
  return row?.revision ?? '';
}

/** Asks the database past the service, for what only it can tell or do. */
const past = <Row extends object>(statement: string, parameters?: readonly unknown[]): Promise<Row[]> =>
  sql<Row>(first.databaseUrl, statement, parameters);

const changes = (events: readonly StreamEvent[]): (readonly [number, number])[] =>
  events.map(({ data }) => [(data as Change).from, (data as Change).version]);

describe('a client that comes back with the revision it holds', () => {
  it('is told that it is current when it missed nothing', async () => {
    const revision = await newest();
    const stream = await open({ lastEventId: revision });
    expect(await stream.next()).toMatchObject({
      type: 'current',
      id: revision,
      data: { version: Number.parseInt(revision, 10), revision },
    });
  });

  it('gets exactly the patches it missed, and then those that follow', async () => {
    const revision = await newest();
    const from = Number.parseInt(revision, 10);
    await writes(3);
    await newest();
    const stream = await open({ lastEventId: revision });
    for (let count = 0; count < 3; count++) await stream.next('patch');
    await writes(1);
    await stream.next('patch');
    expect(changes(stream.events)).toEqual([0, 1, 2, 3].map((step) => [from + step, from + step + 1]));
  });

  it('gets them from the log when the replica is new and has seen none of them', async () => {
    const revision = await newest();
    const from = Number.parseInt(revision, 10);
    await writes(3);
    const third = await startApi({}, { url: first.databaseUrl, drop: async () => undefined });
    const stream = await openStream(third.url, key, { lastEventId: revision });
    for (let count = 0; count < 3; count++) await stream.next('patch');
    expect(changes(stream.events)).toEqual([0, 1, 2].map((step) => [from + step, from + step + 1]));
    stream.close();
    await third.stop();
  });

  it('gets the whole snapshot when it is too far behind', async () => {
    const revision = await newest();
    await past(`
      WITH place AS (SELECT id, snapshot_version AS version FROM environment WHERE key = 'production'),
      logged AS (INSERT INTO change (at, action, subject_type, subject_key, actor) VALUES (now(), 'test', 'flag', 'x', '{}') RETURNING id),
      raised AS (UPDATE environment SET snapshot_version = snapshot_version + 1500, revision = (snapshot_version + 1500) || '-aaaaaaaa'
                 WHERE key = 'production')
      INSERT INTO environment_change (environment_id, version, revision, at, change_id, patch, flags, cohorts)
      SELECT place.id, place.version + n, (place.version + n) || '-aaaaaaaa', now(), logged.id, '{}', '{}', '{}'
      FROM place, logged, generate_series(1, 1500) AS n`);
    await admin.toggle('search', true);
    await newest();
    const stream = await open({ lastEventId: revision });
    const put = await stream.next();
    expect(put.type).toBe('put');
    expect((put.data as Snapshot).version).toBe(Number.parseInt(revision, 10) + 1_501);
  });

  it('is reset when its revision is of another history, and goes back with an SDK to the lower version', async () => {
    const sdk = createClient({ url: second.url, sdkKey: key });
    await sdk.ready();
    await writes(3);
    const lost = await newest();
    await until(() => sdk.snapshot?.revision === lost, 'the SDK follows');
    const attached = await open({ lastEventId: lost });
    await attached.next('current');

    // As if the database were restored from a backup that lacks the last two writes.
    const from = Number.parseInt(lost, 10);
    await past(`DELETE FROM environment_change WHERE version > $1`, [from - 2]);
    await past(
      `UPDATE environment SET snapshot_version = $1, revision = (SELECT revision FROM environment_change
         WHERE environment_id = environment.id AND version = $1) WHERE key = 'production'`,
      [from - 2],
    );
    await admin.toggle('search', false);
    const revision = await logged();
    expect(Number.parseInt(revision, 10)).toBe(from - 1);

    const reset = await attached.next('put');
    expect(reset).toMatchObject({ id: revision, data: { version: from - 1, reset: true } });
    const returning = await open({ lastEventId: lost });
    expect(await returning.next()).toMatchObject({ type: 'put', id: revision, data: { reset: true } });
    await until(() => sdk.snapshot?.revision === revision, 'the SDK goes back');
    expect(sdk.status.state).toBe('ready');
    await sdk.close();
  });

  it('is reset when another history has come to the same version', async () => {
    const lost = await newest();
    const attached = await open({ lastEventId: lost });
    await attached.next('current');
    const again = lost.replace(/-.*$/, '-bbbbbbbb');
    await past(`UPDATE environment_change SET revision = $1 WHERE revision = $2`, [again, lost]);
    await past(`UPDATE environment SET revision = $1 WHERE revision = $2`, [again, lost]);
    // A failover ends the connections.
    network.reset();
    expect(await attached.next('put', 8_000)).toMatchObject({ id: again, data: { reset: true } });
  });

  it('gets what happens meanwhile after what it missed, not before', async () => {
    const revision = await newest();
    const from = Number.parseInt(revision, 10);
    await writes(2);
    await newest();
    const { snapshots } = second.runtime;
    const sequel = snapshots.sequel.bind(snapshots);
    vi.spyOn(snapshots, 'sequel').mockImplementationOnce(async (...asked) => {
      const missed = await sequel(...asked);
      await writes(1);
      await newest();
      return missed;
    });
    const stream = await open({ lastEventId: revision });
    for (let count = 0; count < 3; count++) await stream.next('patch');
    expect(changes(stream.events)).toEqual([0, 1, 2].map((step) => [from + step, from + step + 1]));
  });

  it('gets what is written while the replica loads what it has never held', async () => {
    await admin.must('POST', '/projects/default/environments', { key: 'fresh' });
    const { key: fresh } = await admin.makeKey('fresh');
    const hints = vi.spyOn(second.runtime.snapshots, 'onHint');
    // oxlint-disable-next-line typescript/unbound-method -- called with the store it is of
    const load = SnapshotStore.prototype.load;
    const reading = vi.spyOn(SnapshotStore.prototype, 'load').mockImplementationOnce(async function (
      this: SnapshotStore,
      id,
    ) {
      const loaded = await load.call(this, id);
      await admin.must('POST', '/projects/default/environments/fresh/flags/checkout/enable', {});
      await until(() => hints.mock.calls.some(([{ environmentId }]) => environmentId === id), 'it is notified');
      return loaded;
    });
    const stream = await openStream(second.url, fresh);
    streams.push(stream);
    expect((await stream.next('put')).data).toMatchObject({ flags: { checkout: { enabled: true } } });
    for (const spy of [hints, reading]) spy.mockRestore();
  });

  it('polls the history that it has heard of from a replica that has not', async () => {
    const lost = await newest();
    const again = lost.replace(/-.*$/, '-cccccccc');
    await past(`UPDATE environment_change SET revision = $1 WHERE revision = $2`, [again, lost]);
    await past(`UPDATE environment SET revision = $1 WHERE revision = $2`, [again, lost]);
    const sdk = new ServiceClient(second.url, key);
    const held = { 'if-none-match': `"${again}"` };
    expect((await sdk.ask('GET', '/sdk/v1/snapshot', undefined, held)).status).toBe(304);
  });

  it('is not sent back by a replica that has heard of nothing, when it comes with another key', async () => {
    await newest();
    const { key: other } = await admin.makeKey('production', { tags: ['payments'] });
    const deaf = vi.spyOn(second.runtime.snapshots, 'onHint').mockReturnValue();
    const comes = {
      polling: async (held: string): Promise<unknown> => {
        const headers = { 'if-none-match': `"${held}"` };
        return (await new ServiceClient(second.url, other).must('GET', '/sdk/v1/snapshot', undefined, headers)).body;
      },
      streaming: async (held: string): Promise<unknown> => {
        const stream = await openStream(second.url, other, { lastEventId: held });
        streams.push(stream);
        return (await stream.next('put')).data;
      },
    };
    for (const come of Object.values(comes)) {
      const version = await writes(1);
      expect(await come(await logged())).toMatchObject({ version, reset: true, flags: {} });
    }
    deaf.mockRestore();
  });

  it.each(['nonsense', '99999999-xxxxxxxx', '-', '1-short', "1-';drop--"])('is reset when it holds %s', async (id) => {
    await newest();
    const stream = await open({ lastEventId: id });
    expect(await stream.next()).toMatchObject({ type: 'put', data: { reset: true } });
  });

  it('is served from memory when it comes with many others', async () => {
    const revision = await newest();
    await writes(5);
    await newest();
    const [sent, received] = [network.sent, network.received];
    const written = vi.spyOn(ServerResponse.prototype, 'write');
    const crowd = await Promise.all(Array.from({ length: 200 }, () => open({ lastEventId: revision })));
    await Promise.all(crowd.map((stream) => stream.next('patch')));
    expect(new Set(crowd.map((stream) => JSON.stringify(changes(stream.events)))).size).toBe(1);
    const patches = written.mock.calls
      .map(([chunk]) => chunk as Buffer)
      .filter((chunk) => chunk.includes('event: patch'));
    written.mockRestore();
    // What waits for many is there once.
    expect([patches.length, new Set(patches).size]).toEqual([200, 1]);
    // The key is looked up once or twice, and the log is polled once or twice; 200 looks at the log would be 100 kB and more.
    expect(network.sent - sent).toBeLessThan(10_000);
    expect(network.received - received).toBeLessThan(10_000);
  });

  it('shares one look at the log when the replica is new, and it comes with many others', async () => {
    const revision = await newest();
    await writes(5);
    const third = await startApi({}, { url: through(network, first.databaseUrl), drop: async () => undefined });
    const warm = await openStream(third.url, key);
    await warm.next('put');
    const sent = network.sent;
    const crowd = await Promise.all(
      Array.from({ length: 200 }, () => openStream(third.url, key, { lastEventId: revision })),
    );
    await Promise.all(crowd.map((stream) => stream.next('patch')));
    expect(network.sent - sent).toBeLessThan(20_000);
    for (const stream of [warm, ...crowd]) stream.close();
    await third.stop();
  });
});

describe('an environment', () => {
  it('is forgotten when nobody has asked for it in half an hour, unless somebody listens', async () => {
    const { snapshots, streams: hub } = second.runtime;
    await (await open()).next('put');
    const { key: other } = await admin.makeKey('development');
    await new ServiceClient(second.url, other).must('GET', '/sdk/v1/snapshot');
    expect(snapshots.size).toBeGreaterThan(1);
    const now = Date.now();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(now + 31 * 60_000);
    await snapshots.poll((id) => hub.isListenedTo(id));
    clock.mockRestore();
    expect(snapshots.size).toBe(1);
  });
});

describe('while the database is away', () => {
  it('who is current, behind or new is answered with what the replica holds, and nobody is sent back', async () => {
    const old = await newest();
    await writes(1);
    const revision = await newest();
    network.cut();
    const [current, behind, fresh, ahead] = await Promise.all([
      open({ lastEventId: revision }),
      open({ lastEventId: old }),
      open(),
      open({ lastEventId: `${Number.parseInt(revision, 10) + 5}-unheardO` }),
    ]);
    expect(await current.next()).toMatchObject({ type: 'current', id: revision });
    expect(await behind.next()).toMatchObject({ id: revision });
    expect(await fresh.next()).toMatchObject({ type: 'put', id: revision });
    // Nobody knows whether that revision is real: without `reset` an SDK ignores the lower version.
    const put = await ahead.next();
    expect(put).toMatchObject({ type: 'put', id: revision });
    expect(put.data).not.toHaveProperty('reset');
    const polled = await new ServiceClient(second.url, key).ask('GET', '/sdk/v1/snapshot', undefined, {
      'if-none-match': `"${Number.parseInt(revision, 10) + 5}-unheardO"`,
    });
    expect(polled.status).toBe(200);
    expect(polled.body).not.toHaveProperty('reset');

    network.mend();
    const version = await writes(1);
    for (const stream of [current, behind, fresh, ahead])
      await until(() => stream.events.at(-1)?.data['version'] === version, 'all hear of the next write', 10_000);
  });
});
