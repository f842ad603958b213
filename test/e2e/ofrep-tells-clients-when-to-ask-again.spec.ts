import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { askAll, BULK, clientKey, edit, listen, makeFlag } from '../support/remote-evaluation.js';
import { openStream, type StreamReader } from '../support/sse.js';

const HOUR_MS = 3_600_000;

/** Two replicas: the first is told of every change, the second begins when it is first asked. */
let first: TestApi;
let second: TestApi;
let id: string;
let key: string;
const open: StreamReader[] = [];

beforeAll(async () => {
  first = await startApi();
  second = await startApi({}, { url: first.databaseUrl, drop: async () => undefined });
  await makeFlag(first, { key: 'banner' });
});
beforeEach(async () => {
  ({ id, key } = await clientKey(first));
});
afterEach(() => {
  vi.useRealTimers();
  for (const stream of open.splice(0)) stream.close();
});
afterAll(async () => {
  await second.stop();
  await first.stop();
});

const ask = (api: TestApi, path = BULK) => api.as(key).post(path, { context: { targetingKey: 'user-7' } });

/** Opens the stream that the first replica names, at either of them. */
async function follow(api: TestApi, lastEventId?: string): Promise<StreamReader> {
  const stream = await listen(api.url, await ask(first).expect(200), lastEventId);
  open.push(stream);
  return stream;
}

const toggle = (on: boolean) => first.admin.post(`${targetingPath('banner')}/${on ? 'enable' : 'disable'}`).expect(200);

/** Lets the clock of the service stand `hours` from now; the time of timers goes on. */
const travel = (hours: number): void =>
  void vi.useFakeTimers({ toFake: ['Date'], now: Math.floor(Date.now() / HOUR_MS + hours) * HOUR_MS + 1_000 });

describe('the ETag of all flags', () => {
  it('is the same on every replica, however it came by its flags', async () => {
    await makeFlag(first, { key: 'checkout' }, { rules: [], fallthrough: { variant: 'off' } });
    await edit(first, 'checkout', { fallthrough: { variant: 'on' } });
    await expect.poll(async () => (await ask(first)).body as object).toMatchObject({ flags: [{}, { value: true }] });
    const [one, other] = [await ask(first).expect(200), await ask(second).expect(200)];
    expect(other.headers['etag']).toBe(one.headers['etag']);
    expect(other.body).toEqual(one.body);
    await ask(second)
      .set('if-none-match', one.headers['etag'] ?? '')
      .expect(304);
  });

  it('is another in the next hour, with another address of events, or a client would keep one that has expired', async () => {
    travel(0);
    const before = await ask(first).expect(200);
    const etag = before.headers['etag'] ?? '';
    await ask(first).set('if-none-match', etag).expect(304);
    travel(1);
    const after = await ask(first).set('if-none-match', etag).expect(200);
    expect(after.headers['etag']?.split('-').slice(0, -1)).toEqual(etag.split('-').slice(0, -1));
    expect((after.body as { eventStreams: object }).eventStreams).not.toEqual(
      (before.body as { eventStreams: object }).eventStreams,
    );
  });
});

describe('the address of events', () => {
  it('is good for opening in its hour and the two after it, on every replica, and says nothing of the key', async () => {
    travel(0);
    const answer = await ask(first).expect(200);
    expect(JSON.stringify(answer.body)).not.toContain(key);
    for (const [hours, status] of [
      [0, 200],
      [1, 200],
      [1, 200],
      [1, 401],
    ] as const) {
      travel(hours);
      for (const replica of [first, second]) {
        const stream = await listen(replica.url, answer);
        open.push(stream);
        expect(stream.status).toBe(status);
      }
    }
    expect(open.filter(({ status, ended }) => status === 200 && !ended)).toHaveLength(6);
  });

  it.each(['', 'x', '1.2.3', `490000.${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}.${'A'.repeat(43)}`])(
    'cannot be forged: %s',
    async (token) => {
      const stream = await openStream(first.url, key, { path: `/ofrep/v1/stream?token=${token}` });
      await stream.end();
      expect([stream.status, stream.text]).toEqual([401, '']);
    },
  );

  it('is of no use to another origin than those of the key, nor once the key is revoked', async () => {
    ({ id, key } = await clientKey(first, { allowedOrigins: ['https://shop.example'] }));
    const { eventStreams } = (await ask(first).expect(200)).body as {
      eventStreams: [{ endpoint: { requestUri: string } }];
    };
    const from = async (origin: string): Promise<StreamReader> => {
      const stream = await openStream(first.url, '', {
        path: eventStreams[0].endpoint.requestUri,
        headers: { origin },
      });
      open.push(stream);
      return stream;
    };
    expect((await from('https://other.example')).status).toBe(403);
    const own = await from('https://shop.example');
    expect([own.status, own.headers['access-control-allow-origin'], own.headers['cache-control']]).toEqual([
      200,
      'https://shop.example',
      'no-store',
    ]);
    await first.admin.delete(`/tokens/${id}`).expect(204);
    await own.end();
    await expect.poll(async () => (await from('https://shop.example')).status).toBe(401);
  });
});

describe('an event', () => {
  it('comes after a change, when the replica that sends it answers with the change already', async () => {
    for (const replica of [first, second]) {
      const stream = await follow(replica);
      await stream.next('message');
      for (const on of [false, true, false, true]) {
        await toggle(on);
        const { id: revision, data } = await stream.next('message');
        expect(data).toEqual({ type: 'refetchEvaluation', etag: revision });
        expect((await askAll(replica.as(key)))['banner']).toMatchObject(on ? { value: true } : { value: false });
      }
    }
  });

  it('brings what makes a replica that lags behind catch up before it answers', async () => {
    const stream = await follow(first);
    await stream.next('message');
    for (const on of [false, true, false, true]) {
      await toggle(on);
      const { data } = await stream.next('message');
      const { body } = await ask(second, `${BULK}?flagConfigEtag=${String(data['etag'])}`).expect(200);
      expect((body as { flags: object[] }).flags[0]).toMatchObject({ key: 'banner', value: on });
    }
    for (const odd of ['', 'x', '999999999-aaaaaaaa', '0-aaaaaaaa', 'a&flagConfigEtag=b'])
      await ask(first, `${BULK}?flagConfigEtag=${odd}`).expect(200);
  });

  it('comes on connecting to who has not heard of the newest, and not to who has', async () => {
    const { id: newest } = await (await follow(first)).next('message');
    const knowing = await follow(first, newest);
    await expect.poll(() => knowing.comments).toBeGreaterThan(0);
    expect(knowing.events).toEqual([]);
    await toggle(false);
    const { id: later } = await knowing.next('message');
    expect(later).not.toBe(newest);
    for (const heard of [newest, 'nonsense', '999999999-aaaaaaaa'])
      expect(await (await follow(second, heard)).next('message')).toMatchObject({ id: later });
    await toggle(true);
  });
});
