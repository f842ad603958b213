import { afterEach, describe, expect, it, vi } from 'vitest';
import { SDK_KEY, snapshotOf, until } from './support/fake-service.js';
import { collector, connect, startService } from './support/harness.js';

const answers = (
  answer: (poll: number) => Response | Promise<Response>,
): { fetch: (url: string) => Promise<Response>; at: number[]; tick: (ms: number) => Promise<void> } => {
  const at: number[] = [];
  let clock = 0;
  return {
    at,
    fetch: async () => {
      at.push(clock);
      return answer(at.length);
    },
    tick: async (ms) => {
      for (const end = clock + ms; clock < end;) {
        clock += 50;
        await vi.advanceTimersByTimeAsync(50);
      }
    },
  };
};

const gapsOf = (at: number[]): number[] => at.slice(1).map((time, i) => time - (at[i] ?? 0));

describe('polling', () => {
  it('asks for the snapshot, and from then on only for another one', async () => {
    const service = await startService();
    const client = connect(service.url, { mode: 'poll', pollIntervalMs: 10 });
    await client.ready();
    await until(() => service.requests.length > 3);
    expect(service.count('stream')).toBe(0);
    const [first, second] = service.requests;
    expect(first?.headers).toMatchObject({
      authorization: `Bearer ${SDK_KEY}`,
      'fledge-format': '1',
      'user-agent': expect.stringMatching(/^fledge-sdk-js\//),
    });
    expect(first?.headers).not.toHaveProperty('if-none-match');
    expect(second?.headers['if-none-match']).toBe('"1-aaaaaaaa"');
    service.change({ checkout: false });
    await until(() => !client.boolean('checkout', {}, true));
    await until(() => service.requests.at(-1)?.headers['if-none-match'] === '"2-aaaaaaaa"');
  });

  it('notes when the service last confirmed what is held', async () => {
    const service = await startService();
    let now = 1_000;
    const client = connect(service.url, { mode: 'poll', pollIntervalMs: 10, now: () => now });
    await client.ready();
    now = 2_000;
    await until(() => client.status.confirmedAt === 2_000);
    expect(client.status.receivedAt).toBe(1_000);
  });

  it('polls every 30 s, give or take a tenth', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { fetch, at, tick } = answers(() => Response.json(snapshotOf(1, {})));
    const chances = [0, 0.5, 0.999];
    connect('http://service', { mode: 'poll', fetch, random: () => chances[at.length - 1] ?? 0 });
    await tick(100_000);
    expect(gapsOf(at).slice(0, 3)).toEqual([27_000, 30_000, 33_000]);
  });

  it('backs off with full jitter after failures and returns to its pace after a success', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { errors, onError } = collector();
    const { fetch, at, tick } = answers((poll) =>
      poll === 1 || poll === 5 ? Response.json(snapshotOf(1, {})) : new Response('down', { status: 500 }),
    );
    const client = connect('http://service', { mode: 'poll', fetch, onError, random: () => 0.5 });
    await tick(30_600);
    expect(client.status).toMatchObject({ state: 'stale', version: 1, error: { kind: 'status' } });
    await tick(34_000);
    expect(gapsOf(at).slice(0, 5)).toEqual([30_000, 250, 500, 1_000, 30_000]);
    expect(errors.map(({ kind }) => kind)).toEqual(['status']);
  });

  it.each([
    ['seconds', '40', 0],
    ['a date', 'Thu, 01 Jan 2026 00:00:40 GMT', Date.parse('2026-01-01T00:00:00Z')],
  ])('honours a Retry-After in %s', async (_, value, now) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { fetch, at, tick } = answers(() => new Response(null, { status: 429, headers: { 'retry-after': value } }));
    connect('http://service', { mode: 'poll', fetch, random: () => 0, now: () => now });
    await tick(90_000);
    expect(at).toEqual([0, 40_000, 80_000]);
  });

  it('says what may be wrong when there is nothing at the url, and goes on trying', async () => {
    const service = await startService();
    const { errors, onError } = collector();
    connect(`${service.url}/wrong`, { mode: 'poll', onError });
    await until(() => service.requests.length > 2);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({
      kind: 'status',
      message: expect.stringContaining(`${service.url}/wrong/sdk/v1/snapshot was answered with 404`),
    });
  });

  it('tries a refused key again every five minutes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { fetch, at, tick } = answers((poll) =>
      poll < 3 ? new Response(null, { status: 403 }) : Response.json(snapshotOf(1, {})),
    );
    const client = connect('http://service', { mode: 'poll', fetch });
    await tick(300_000);
    expect(client.status.state).toBe('refused');
    await tick(300_050);
    expect(at).toEqual([0, 300_000, 600_000]);
    expect(client.status).toMatchObject({ state: 'ready', error: undefined });
  });

  it.each([
    ['is no JSON', 'protocol', () => new Response('<html>')],
    ['is no snapshot', 'protocol', () => Response.json([])],
    ['is of a newer format', 'format', () => Response.json({ ...snapshotOf(2, {}), format: 2 })],
    ['is older', 'outdated', () => Response.json(snapshotOf(0, {}))],
    ['is of another environment', 'foreign', () => Response.json(snapshotOf(2, {}, { environment: 'x' }))],
    [
      'breaks off',
      'network',
      () => new Response(new ReadableStream({ start: (body) => body.error(new Error('cut')) })),
    ],
  ])('keeps its snapshot when the answer %s', async (_, kind, answer) => {
    const { errors, onError } = collector();
    let polls = 0;
    const client = connect('http://service', {
      mode: 'poll',
      pollIntervalMs: 5,
      onError,
      fetch: () => Promise.resolve(++polls === 1 ? Response.json(snapshotOf(1, { checkout: true })) : answer()),
    });
    await until(() => polls > 3);
    expect(client.status).toMatchObject({ state: 'stale', version: 1 });
    expect(client.boolean('checkout', {}, false)).toBe(true);
    expect(errors.map((error) => error.kind)).toEqual([kind]);
  });

  it('takes a lower version when history was reset', async () => {
    let polls = 0;
    const client = connect('http://service', {
      mode: 'poll',
      pollIntervalMs: 5,
      fetch: () =>
        Promise.resolve(Response.json(++polls === 1 ? snapshotOf(9, {}) : snapshotOf(2, {}, { reset: true }))),
    });
    await until(() => client.snapshot?.version === 2);
    expect(client.status.state).toBe('ready');
  });

  it('gives a poll up after 50 s without an answer, and leaves no timer when it is closed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const signals: AbortSignal[] = [];
    const client = connect('http://service', {
      mode: 'poll',
      fetch: (_, { signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    await vi.advanceTimersByTimeAsync(49_999);
    expect(signals).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(501);
    expect(signals).toHaveLength(2);
    expect(signals[0]?.aborted).toBe(true);
    await client.close();
    expect(signals[1]?.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('reports the same trouble again after a minute of readiness', async () => {
    const { errors, onError } = collector();
    let now = 0;
    let down = false;
    const client = connect('http://service', {
      mode: 'poll',
      pollIntervalMs: 5,
      now: () => now,
      onError,
      fetch: () => (down ? Promise.reject(new TypeError('down')) : Promise.resolve(Response.json(snapshotOf(1, {})))),
    });
    for (const wait of [1_000, 30_000, 61_000]) {
      down = false;
      await until(() => client.status.state === 'ready');
      now += wait;
      down = true;
      await until(() => client.status.state === 'stale');
    }
    expect(errors).toHaveLength(2);
  });
});

afterEach(() => {
  vi.useRealTimers();
});
