import type { Socket } from 'node:net';
import type { Snapshot } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { ServiceClient } from '../support/service-client.js';
import { openStream, type StreamReader } from '../support/sse.js';
import { until } from '../support/wait.js';

const READERS = 1_000;
/** More than the kernel takes for a reader that does not read. */
const FLAGS = 160;

let api: TestApi;
let admin: ServiceClient;
let key: string;
let slow: StreamReader;
let readers: StreamReader[];
/** The service's end of every connection. */
const sockets = new Set<Socket>();

const waiting = (): number => Math.max(...[...sockets].map((socket) => (socket.destroyed ? 0 : socket.writableLength)));

beforeAll(async () => {
  api = await startApi();
  (api.app.getHttpServer() as NodeJS.EventEmitter).on('connection', (socket: Socket) => void sockets.add(socket));
  admin = new ServiceClient(api.url);
  key = (await admin.makeKey()).key;
  await admin.makeFlags('checkout');
  const variants = { large: 'x'.repeat(60_000) };
  for (let index = 0; index < FLAGS; index += 10)
    await Promise.all(
      Array.from({ length: 10 }, (_, more) =>
        admin.must('POST', '/projects/default/flags', { key: `large-${index + more}`, type: 'string', variants }),
      ),
    );
  const { revision } = (await new ServiceClient(api.url, key).must('GET', '/sdk/v1/snapshot')).body as Snapshot;
  // It holds nothing, is sent everything and reads none of it.
  slow = await openStream(api.url, key);
  slow.pause();
  await until(() => waiting() > 100_000, 'the kernel takes no more for it');
  readers = [];
  for (let begun = 0; begun < READERS; begun += 100)
    readers.push(
      ...(await Promise.all(
        Array.from({ length: 100 }, () => openStream(api.url, key, { lastEventId: revision ?? '' })),
      )),
    );
  await Promise.all(readers.map((reader) => reader.next('current')));
}, 120_000);

afterAll(async () => {
  for (const reader of [slow, ...readers]) reader.close();
  await api.stop();
});

describe('a slow reader among a thousand', { timeout: 60_000 }, () => {
  it('delays nobody, makes nothing pile up, and is told everything when it reads', async () => {
    const before = waiting();
    let version = 0;
    for (let count = 0; count < 20; count++) {
      version = await admin.toggle('checkout', count % 2 === 0);
      const patches = await Promise.all(readers.map((reader) => reader.next('patch', 10_000)));
      expect(new Set(patches.map(({ data }) => data['version']))).toEqual(new Set([version]));
    }
    expect(waiting()).toBeLessThanOrEqual(before);
    slow.resume();
    await until(() => slow.events.at(-1)?.data['version'] === version, 'it has caught up', 20_000);
    expect(slow.events.map(({ type }) => type)).toEqual(['put', ...Array.from({ length: 20 }, () => 'patch')]);
  });

  it('a shutdown ends all of them, those too that are ending already', async () => {
    const { id, key: other } = await admin.makeKey();
    const ending = await openStream(api.url, other);
    ending.pause();
    await until(() => waiting() > 100_000, 'its last bytes wait');
    api.runtime.streams.end([id]);
    api.runtime.streams.drain();
    await Promise.all([...readers, slow].map((reader) => reader.end(15_000)));
    expect(readers.every(({ events }) => events.at(-1)?.type === 'reconnect')).toBe(true);
    await until(() => api.runtime.streams.size === 0, 'none is left', 10_000);
  });
});
