import { ServerResponse } from 'node:http';
import { createClient } from '@fledge/sdk';
import { applyChange, type Change, type Snapshot } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { ServiceClient } from '../support/service-client.js';
import { openStream } from '../support/sse.js';
import { startTcpProxy, through } from '../support/tcp-proxy.js';
import { until } from '../support/wait.js';

let api: TestApi;
let admin: ServiceClient;
let key: string;

const PRODUCTION = '/projects/default/environments/production';

beforeAll(async () => {
  api = await startApi();
  admin = new ServiceClient(api.url);
  key = (await admin.makeKey()).key;
  await admin.makeFlags('checkout', 'search');
});

afterAll(() => api.stop());

const snapshotOf = async (): Promise<Snapshot> =>
  (await new ServiceClient(api.url, key).must('GET', '/sdk/v1/snapshot')).body as Snapshot;

describe('a stream', () => {
  it('says what it is, and that nobody on the way may hold it back', async () => {
    const stream = await openStream(api.url, key);
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'private, no-cache, no-transform',
      'x-accel-buffering': 'no',
      vary: 'Authorization',
    });
    stream.close();
  });

  it('begins with the whole snapshot, under its revision', async () => {
    const stream = await openStream(api.url, key);
    const put = await stream.next();
    const snapshot = await snapshotOf();
    expect(put.type).toBe('put');
    expect(put.data).toEqual(snapshot);
    expect(put.id).toBe(snapshot.revision);
    expect(put.id).toMatch(new RegExp(`^${snapshot.version}-[\\w-]{8}$`));
    stream.close();
  });

  it('goes on with one patch per write, each leading from one version to the next', async () => {
    const stream = await openStream(api.url, key);
    let held = (await stream.next('put')).data as Snapshot;
    for (const on of [true, false, true]) {
      const version = await admin.toggle('checkout', on);
      const patch = await stream.next();
      const change = patch.data as Change;
      expect(patch).toMatchObject({ type: 'patch', id: change.revision });
      expect(change).toMatchObject({ from: held.version, version });
      expect(Object.keys(change.flags ?? {})).toEqual(['checkout']);
      const next = applyChange(held, change);
      if (next === undefined) throw new Error('the patch does not fit');
      held = next;
    }
    expect(held).toEqual(await snapshotOf());
    stream.close();
  });

  it('is not always the last of all to hear of a change', async () => {
    const streams = await Promise.all(Array.from({ length: 4 }, () => openStream(api.url, key)));
    for (const stream of streams) await stream.next('put');
    const written = vi.spyOn(ServerResponse.prototype, 'write');
    const last = new Set<unknown>();
    for (let count = 0; count < 12; count += 1) {
      written.mockClear();
      await admin.toggle('checkout', count % 2 === 1);
      for (const stream of streams) await stream.next('patch');
      last.add(written.mock.contexts[written.mock.calls.findLastIndex(([chunk]) => String(chunk).includes('patch'))]);
    }
    written.mockRestore();
    expect(last.size).toBeGreaterThan(1);
    for (const stream of streams) stream.close();
  });

  it('says nothing of a write that changes nothing', async () => {
    await admin.toggle('checkout', true);
    const stream = await openStream(api.url, key);
    const put = await stream.next('put');
    await admin.toggle('checkout', true);
    const version = await admin.toggle('checkout', false);
    expect(version).toBe((put.data as Snapshot).version + 1);
    expect((await stream.next()).data).toMatchObject({ version });
    stream.close();
  });

  it('sends one member when one member of a cohort changes', async () => {
    const members = Array.from({ length: 5_000 }, (_, index) => `user-${index}`);
    await admin.must('POST', '/projects/default/cohorts', { key: 'staff', name: 'Staff', included: members });
    const { body } = await admin.must('GET', `${PRODUCTION}/flags/search`);
    const rules = [{ id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } }];
    const stream = await openStream(api.url, key);
    await stream.next('put');
    await admin.must('PUT', `${PRODUCTION}/flags/search`, { ...body, rules });
    const whole = (await stream.next('patch')).data as Change;
    expect(whole.cohorts?.['staff']).toMatchObject({ key: 'staff', included: { length: 5_000 } });
    const path = '/projects/default/cohorts/staff/members';
    await admin.must('POST', path, { list: 'included', add: ['somebody-new'] });
    await admin.must('POST', path, { list: 'included', remove: ['user-7'] });
    const added = await stream.next('patch');
    const removed = await stream.next('patch');
    expect((added.data as Change).cohorts).toEqual({ staff: { included: { add: ['somebody-new'] } } });
    expect((removed.data as Change).cohorts).toEqual({ staff: { included: { remove: ['user-7'] } } });
    expect(added.bytes).toBeLessThan(300);
    expect(added.data).not.toHaveProperty('flags');
    stream.close();
  });

  it('keeps environments apart', async () => {
    const development = await openStream(api.url, (await admin.makeKey('development')).key);
    const production = await openStream(api.url, key);
    expect((await development.next('put')).data).toMatchObject({ environment: 'development' });
    await production.next('put');
    await admin.must('POST', '/projects/default/environments/development/flags/checkout/enable', {});
    const version = await admin.toggle('checkout', true);
    expect((await development.next()).data).toMatchObject({ flags: { checkout: { enabled: true } } });
    expect((await production.next()).data).toMatchObject({ version });
    expect(production.events).toHaveLength(2);
    expect(development.events).toHaveLength(2);
    for (const stream of [development, production]) stream.close();
  });

  it('keeps an SDK where the service is', async () => {
    const client = createClient({ url: api.url, sdkKey: key });
    await client.ready();
    const context = { targetingKey: 'somebody' };
    for (const on of [false, true, false]) {
      await admin.toggle('checkout', on);
      await until(() => client.boolean('checkout', context, !on) === on, `the flag is ${on ? 'on' : 'off'}`, 2_000, 1);
    }
    await admin.must('POST', '/projects/default/cohorts/staff/members', { list: 'included', add: ['somebody'] });
    await admin.toggle('search', true);
    await until(() => client.evaluate('search', context, false).variant === 'on', 'the new member is let in', 2_000, 1);
    expect(client.snapshot).toEqual(await snapshotOf());
    await client.close();
  });
});

it('takes no more of the database to toggle one of hundreds of flags than one of a few', async () => {
  const network = await startTcpProxy(api.databaseUrl);
  const replica = await startApi({}, { url: through(network, api.databaseUrl), drop: async () => undefined });
  const client = new ServiceClient(replica.url);
  const stream = await openStream(replica.url, key);
  await stream.next('put');
  /** Of the cheapest of some toggles, between the replica and the database; others met a poll. */
  const cost = async (): Promise<number> => {
    const costs: number[] = [];
    for (const on of [true, false, true, false]) {
      const before = network.sent + network.received;
      await client.toggle('checkout', on);
      expect((await stream.next('patch')).bytes).toBeLessThan(2_000);
      costs.push(network.sent + network.received - before);
    }
    return Math.min(...costs);
  };
  await cost();
  const amongFew = await cost();
  const { body } = await admin.must('GET', '/projects/default/export');
  const document = body as { flags: { key: string }[] };
  const [like] = document.flags;
  const flags = Array.from({ length: 150 }, (_, index) => ({ ...like, key: `many-${index}` }));
  await admin.must('POST', '/projects/default/import', { ...document, flags });
  await stream.next('patch');
  expect(Object.keys((await snapshotOf()).flags).length).toBeGreaterThan(150);
  // A look at each of them would be dozens of kilobytes; what the replica does besides is one or two.
  expect(Math.abs((await cost()) - amongFew)).toBeLessThan(5_000);
  stream.close();
  await replica.stop();
  await network.close();
});
