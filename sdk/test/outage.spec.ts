import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { switched, snapshotOf, sse, until } from './support/fake-service.js';
import { connect, startService, unusedPort } from './support/harness.js';
import { scriptedFetch } from './support/scripted-fetch.js';

afterEach(() => {
  vi.useRealTimers();
});

/** Mulberry32: the same chance in every run. */
const chance = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

/** The most that fell into one window of so many milliseconds. */
const most = (times: readonly number[], windowMs: number): number => {
  const counts = new Map<number, number>();
  for (const time of times) {
    const window = Math.floor(time / windowMs);
    counts.set(window, (counts.get(window) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values());
};

describe('500 clients', () => {
  it('come back without a stampede, after a restart and after an outage of a minute', { timeout: 60_000 }, async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let clock = 0;
    let away = false;
    let attempts: number[] = [];
    const { fetch, streams } = scriptedFetch(
      (_, stream) => stream.event('put', snapshotOf(1, { checkout: true })),
      (url) => (url.endsWith('/snapshot') ? Response.json(snapshotOf(1, { checkout: true })) : undefined),
    );
    const pass = async (ms: number, step = 50): Promise<void> => {
      for (const end = clock + ms; clock < end;) {
        clock += step;
        await vi.advanceTimersByTimeAsync(step);
      }
    };
    const clients = Array.from({ length: 500 }, (_, seed) =>
      connect('http://service', {
        now: () => clock,
        random: chance(seed),
        fetch: (url, init) => {
          attempts.push(clock);
          return away ? Promise.reject(new TypeError('away')) : fetch(url, init);
        },
      }),
    );
    const all = (state: string): boolean => clients.every(({ status }) => status.state === state);
    const cut = (): void => {
      attempts = [];
      for (const stream of streams.splice(0)) stream.close();
    };
    await pass(2_000, 200);
    expect(all('ready')).toBe(true);

    cut();
    await pass(600);
    expect(all('ready')).toBe(true);
    expect(attempts).toHaveLength(500);
    // Evenly spread, 50 fall into each tenth of the half second.
    expect(most(attempts, 50)).toBeLessThan(90);

    await pass(2_000, 200);
    away = true;
    cut();
    await pass(60_000, 100);
    expect(all('stale')).toBe(true);
    expect(clients.every((client) => client.boolean('checkout', {}, false))).toBe(true);
    // The backoff allows one at 0.5 s, 1 s, 2 s … of half the limit on average.
    expect(attempts.length / 500).toBeLessThan(16);
    const late = attempts.filter((at) => at > clock - 20_000);
    // Some ten of the 500 in a tenth of a second, and more where a busy machine lets several steps of the clock run together.
    expect(most(late, 100)).toBeLessThan(60);

    away = false;
    attempts = [];
    await pass(31_000, 100);
    expect(all('ready')).toBe(true);
    expect(most(attempts, 100)).toBeLessThan(60);
  });
});

describe('a client whose service was away', () => {
  it('answers from what it holds, says that it is stale, and streams again at the first answer', async () => {
    const port = await unusedPort();
    const before = await startService(snapshotOf(3, { checkout: true }), port);
    const client = connect(before.url);
    await client.ready();
    await before.stop();
    await until(() => client.status.state === 'stale', 'it knows');
    await sleep(1_500);
    expect(client.boolean('checkout', {}, false)).toBe(true);

    const after = await startService(snapshotOf(4, { checkout: false }), port);
    await until(() => client.status.state === 'ready' && client.status.version === 4, 'it is back');
    expect(client.boolean('checkout', {}, true)).toBe(false);
    // One poll may have come first; it is not followed by a wait for the next.
    await until(() => after.streams.size === 1, 'it streams');
    after.change({ checkout: true });
    await until(() => client.status.version === 5, 'it follows');
  });
});

describe('a client whose clock is set', () => {
  it.each([
    ['back by an hour', -3_600_000],
    ['forward by a day', 86_400_000],
  ])('%s follows changes and reconnects as before', async (_, jump) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let clock = 1_764_000_000_000;
    const { fetch, streams, requests } = scriptedFetch((_url, stream) =>
      stream.event('put', snapshotOf(streams.length, { checkout: false })),
    );
    const client = connect('http://service', { fetch, now: () => clock, random: () => 0.99 });
    for (let round = 1; round <= 6; round++) {
      await vi.waitFor(() => expect(requests).toHaveLength(round));
      await vi.waitFor(() => expect(client.status.version).toBe(round));
      clock += jump;
      await vi.advanceTimersByTimeAsync(20_000);
      expect(client.status.state).toBe('ready');
      streams[round - 1]?.close();
      // The connection stood: the next comes within half a second, however the clock has run.
      await vi.advanceTimersByTimeAsync(500);
    }
    const change = { from: 7, version: 8, revision: '8-aaaaaaaa', flags: { checkout: switched('checkout', true) } };
    await vi.waitFor(() => expect(client.status.version).toBe(7));
    streams[6]?.enqueue(new TextEncoder().encode(sse('patch', change)));
    await vi.waitFor(() => expect(client.boolean('checkout', {}, false)).toBe(true));
  });

  it('waits for a Retry-After that is a date as long as the service means it to', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const sent = Date.parse('2026-11-24T12:00:00Z');
    const headers = { date: new Date(sent).toUTCString(), 'retry-after': new Date(sent + 10_000).toUTCString() };
    const busy = scriptedFetch(
      () => undefined,
      () => new Response(null, { status: 503, headers }),
    );
    // An hour behind.
    connect('http://service', { mode: 'poll', fetch: busy.fetch, now: () => sent - 3_600_000, random: () => 0.5 });
    await vi.advanceTimersByTimeAsync(9_900);
    expect(busy.requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(busy.requests).toHaveLength(2);
  });
});
