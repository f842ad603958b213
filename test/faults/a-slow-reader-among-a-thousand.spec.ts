import type { Socket } from 'node:net';
import type { Snapshot } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { ServiceClient } from '../support/service-client.js';
import { openStream, type StreamReader } from '../support/sse.js';
import { until } from '../support/wait.js';

const READERS = 999;
const TOGETHER = 111;
/** Seven megabytes in all: more than the kernel takes for a reader that does not read. */
const LARGE_FLAGS = 8;
const LARGE_VARIANTS = Object.fromEntries(
  Array.from({ length: 15 }, (_, index) => [
    `v${index}`,
    { text: Array.from({ length: 6 }, () => 'x'.repeat(10_000)) },
  ]),
);

let api: TestApi;
let admin: ServiceClient;
let slow: StreamReader | undefined;
const readers: StreamReader[] = [];
/** The service's end of every connection. */
const sockets = new Set<Socket>();
/** What the service's clock is ahead of ours. */
let ahead = 0;

/** How many bytes wait in the service for its clients, all together. */
const waiting = (): number =>
  [...sockets].reduce((sum, socket) => sum + (socket.destroyed ? 0 : socket.writableLength), 0);

/** Toggles, and waits until each of the others has been sent it. */
async function reachesTheOthers(on: boolean): Promise<void> {
  const version = await admin.toggle('checkout', on);
  const patches = await Promise.all(readers.map((reader) => reader.next('patch', 10_000)));
  expect(new Set(patches.map(({ data }) => data['version']))).toEqual(new Set([version]));
}

beforeAll(async () => {
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ahead);
  // What the service does every so often is done when the test says so.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  api = await startApi();
  (api.app.getHttpServer() as NodeJS.EventEmitter).on('connection', (socket: Socket) => void sockets.add(socket));
  admin = new ServiceClient(api.url);
  const { key } = await admin.makeKey();
  await admin.makeFlags('checkout');
  for (let index = 0; index < LARGE_FLAGS; index++)
    await admin.must('POST', '/projects/default/flags', {
      key: `large-${index}`,
      type: 'object',
      variants: LARGE_VARIANTS,
    });
  const { revision } = (await new ServiceClient(api.url, key).must('GET', '/sdk/v1/snapshot')).body as Snapshot;
  // It holds nothing, is sent everything and reads none of it.
  slow = await openStream(api.url, key);
  slow.pause();
  await until(() => waiting() > 100_000, 'the kernel takes no more for it');
  while (readers.length < READERS) {
    const more = Array.from({ length: TOGETHER }, () => openStream(api.url, key, { lastEventId: revision ?? '' }));
    readers.push(...(await Promise.all(more)));
  }
  await Promise.all(readers.map((reader) => reader.next('current')));
}, 180_000);

afterAll(async () => {
  for (const reader of [slow, ...readers]) reader?.close();
  await api.stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('a slow reader among a thousand', { timeout: 120_000 }, () => {
  it('delays none of the others, and nothing piles up for it', async () => {
    expect(api.runtime.streams.size).toBe(1_000);
    const before = waiting();
    for (let count = 0; count < 20; count++) await reachesTheOthers(count % 2 === 0);
    expect(waiting()).toBeLessThanOrEqual(before);
  });

  it('is dropped after a minute, it alone, and what waited for it is freed', async () => {
    ahead += 61_000;
    await vi.advanceTimersByTimeAsync(20_000);
    await until(() => api.runtime.streams.size === READERS, 'it is dropped');
    await reachesTheOthers(true);
    await until(() => waiting() === 0, 'nothing waits for anybody');
    expect(readers.every(({ ended }) => !ended)).toBe(true);
  });

  it('a shutdown tells each of the others to reconnect, spread over a second, and ends them all', async () => {
    api.runtime.streams.drain();
    await Promise.all(readers.map((reader) => reader.end(15_000)));
    expect(readers.every(({ events }) => events.at(-1)?.type === 'reconnect')).toBe(true);
    const delays = readers.map(({ events }) => events.at(-1)?.retry ?? Number.NaN).toSorted((a, b) => a - b);
    expect(delays[0]).toBeLessThan(100);
    expect(delays[READERS >> 1]).toBeGreaterThan(300);
    expect(delays[READERS >> 1]).toBeLessThan(700);
    expect(delays.at(-1)).toBeLessThanOrEqual(1_000);
    await until(() => api.runtime.streams.size === 0, 'none is left');
  });
});
