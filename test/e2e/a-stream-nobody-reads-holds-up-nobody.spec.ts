import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { ServiceClient } from '../support/service-client.js';
import { openStream } from '../support/sse.js';
import { until } from '../support/wait.js';

let api: TestApi;
let admin: ServiceClient;
let key: string;
/** The service's end of every connection. */
const sockets = new Set<Socket>();
/** What the service's clock is ahead of ours. */
let ahead = 0;

const VARIANTS = Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`v${index}`, 'x'.repeat(10_000)]));
const FLAG = '/projects/default/flags/text';

beforeAll(async () => {
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ahead);
  // What the service does every so often is done when a test says so.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  api = await startApi();
  (api.app.getHttpServer() as NodeJS.EventEmitter).on('connection', (socket: Socket) => void sockets.add(socket));
  admin = new ServiceClient(api.url);
  key = (await admin.makeKey()).key;
  await admin.must('POST', '/projects/default/flags', { key: 'text', type: 'string', variants: VARIANTS });
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await api.stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** One change of 50 kB. */
const write = async (index: number): Promise<number> => {
  await admin.must('PATCH', FLAG, { variants: { ...VARIANTS, v0: String(index) } });
  return index;
};

/** The most bytes that wait for any client. */
const waiting = (): number => Math.max(...[...sockets].map((socket) => (socket.destroyed ? 0 : socket.writableLength)));

describe('a stream', () => {
  it('says something at least every 20 seconds', async () => {
    const stream = await openStream(api.url, key);
    await stream.next('put');
    for (let count = 1; count <= 3; count++) {
      await vi.advanceTimersByTimeAsync(20_000);
      await until(() => stream.comments >= count, 'a comment came');
    }
    expect(stream.comments).toBeLessThan(6);
    expect(stream.ended).toBe(false);
    stream.close();
  });

  it('that is not read keeps one event waiting, delays no other, and catches up without a gap', async () => {
    const slow = await openStream(api.url, key);
    const quick = await openStream(api.url, key);
    let version = ((await slow.next('put')).data as { version: number }).version;
    await quick.next('put');
    slow.pause();
    let most = 0;
    for (let index = 0; index < 120; index++) {
      await write(index);
      await quick.next('patch', 2_000);
      most = Math.max(most, waiting());
    }
    // Six megabytes were written: the kernel took some, and of the rest one event waits here, not all that came after it.
    expect(most).toBeGreaterThan(10_000);
    expect(most).toBeLessThan(150_000);
    slow.resume();
    await until(() => slow.events.at(-1)?.data['version'] === quick.events.at(-1)?.data['version'], 'it has caught up');
    for (const event of slow.events.slice(1)) {
      expect(event.type).toBe('patch');
      expect((event.data as Change).from).toBe(version);
      ({ version } = event.data as Change);
    }
    for (const stream of [slow, quick]) stream.close();
    await until(() => api.runtime.streams.size === 0, 'both are gone');
  });

  it('that is not read for a minute is dropped', async () => {
    const dead = await openStream(api.url, key);
    const quick = await openStream(api.url, key);
    await quick.next('put');
    dead.pause();
    for (let index = 0; waiting() < 10_000; index++) await write(1_000 + index);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(api.runtime.streams.size).toBe(2);
    ahead += 61_000;
    await vi.advanceTimersByTimeAsync(20_000);
    await until(() => api.runtime.streams.size === 1, 'it is dropped');
    expect(quick.ended).toBe(false);
    for (const stream of [dead, quick]) stream.close();
  });

  it('whose client has left is counted no longer, even when the client left before it began', async () => {
    const impatient = Array.from({ length: 20 }, async () => {
      const stream = await openStream(api.url, key);
      stream.close();
    });
    await Promise.all(impatient);
    const given = Array.from({ length: 20 }, async (_, index) => {
      const asked = new AbortController();
      const { key: fresh } = await admin.makeKey();
      const answer = fetch(`${api.url}/sdk/v1/stream`, {
        headers: { authorization: `Bearer ${fresh}` },
        signal: asked.signal,
      });
      await sleep(index / 4);
      asked.abort();
      await answer.catch(() => undefined);
    });
    await Promise.all(given);
    await until(() => api.runtime.streams.size === 0, 'all are gone');
    await sleep(100);
    expect(api.runtime.streams.size).toBe(0);
  });
});
