import { afterEach, describe, expect, it, vi } from 'vitest';
import { SDK_KEY, snapshotOf, sse, until } from './support/fake-service.js';
import { collector, connect, startService } from './support/harness.js';
import { scriptedFetch } from './support/scripted-fetch.js';

describe('the stream', () => {
  it('asks with the key, its format and its name, and says nothing of a revision it does not hold', async () => {
    const service = await startService();
    await connect(service.url).ready();
    expect(service.requests).toHaveLength(1);
    expect(service.requests[0]?.path).toBe('/sdk/v1/stream');
    expect(service.requests[0]?.headers).toMatchObject({
      accept: 'text/event-stream',
      authorization: `Bearer ${SDK_KEY}`,
      'fledge-format': '1',
      'user-agent': expect.stringMatching(/^fledge-sdk-js\/\d+\.\d+\.\d+$/),
    });
    expect(service.requests[0]?.headers).not.toHaveProperty('last-event-id');
  });

  it('follows changes at once', async () => {
    const service = await startService();
    const client = connect(service.url);
    await client.ready();
    service.change({ checkout: false });
    await until(() => !client.boolean('checkout', {}, true));
    service.change({ search: true });
    await until(() => client.boolean('search', {}, false));
    expect(client.status).toMatchObject({ state: 'ready', version: 3, revision: '3-aaaaaaaa' });
    expect(service.count('stream')).toBe(1);
  });

  it('accepts documents that are wrapped and documents that are not', async () => {
    const service = await startService();
    const client = connect(service.url);
    await client.ready();
    service.send(sse('put', { snapshot: snapshotOf(5, { wrapped: true }) }));
    service.send(sse('patch', { change: { from: 5, version: 6, revision: '6-b', removed: { flags: ['wrapped'] } } }));
    await until(() => client.snapshot?.version === 6);
    expect(client.snapshot?.flags).toEqual({});
  });

  it('comes back with the revision it holds when the stream ends', async () => {
    const service = await startService();
    const client = connect(service.url);
    const heard: string[] = [];
    client.on('stale', () => heard.push('stale'));
    client.on('change', () => heard.push('change'));
    await client.ready();
    service.drop();
    await until(() => service.count('stream') === 2 && service.streams.size === 1);
    expect(service.requests[1]?.headers['last-event-id']).toBe('1-aaaaaaaa');
    expect(client.status.state).toBe('ready');
    expect(heard).toEqual([]);
  });

  it('catches up with what happened while it was away', async () => {
    const service = await startService();
    const client = connect(service.url);
    await client.ready();
    service.drop(true);
    service.streams.clear();
    service.change({ checkout: false });
    await until(() => client.snapshot?.version === 2);
    expect(service.requests[1]?.headers['last-event-id']).toBe('1-aaaaaaaa');
    expect(client.status.state).toBe('ready');
  });

  it('connects again without a revision when a change does not fit', async () => {
    const service = await startService();
    const client = connect(service.url);
    await client.ready();
    service.snapshot = snapshotOf(9, { checkout: false });
    service.send(sse('patch', { from: 7, version: 8, revision: '8-aaaaaaaa', flags: {} }));
    await until(() => client.snapshot?.version === 9);
    expect(service.requests[1]?.headers).not.toHaveProperty('last-event-id');
    service.drop();
    await until(() => service.count('stream') === 3);
    expect(service.requests[2]?.headers['last-event-id']).toBe('9-aaaaaaaa');
  });

  it('connects again without a revision when the service takes another one for current', async () => {
    const service = await startService();
    const client = connect(service.url);
    await client.ready();
    service.snapshot = snapshotOf(1, { checkout: false }, { revision: '1-bbbbbbbb' });
    service.send(sse('current', { version: 1, revision: '1-bbbbbbbb' }));
    await until(() => client.snapshot?.revision === '1-bbbbbbbb');
    expect(service.requests[1]?.headers).not.toHaveProperty('last-event-id');
  });

  it('ignores a lower version, unless history was reset', async () => {
    const service = await startService(snapshotOf(5, { checkout: true }));
    const { errors, onError } = collector();
    const client = connect(service.url, { onError });
    await client.ready();
    service.send(sse('put', snapshotOf(4, { checkout: false })));
    await until(() => errors.length > 0);
    expect(errors[0]?.kind).toBe('outdated');
    expect(client.snapshot?.version).toBe(5);
    service.send(sse('patch', { from: 5, version: 6, revision: '6-aaaaaaaa' }));
    await until(() => client.snapshot?.version === 6);
    expect(client.status.state).toBe('ready');
    service.send(sse('put', snapshotOf(2, { checkout: false }, { reset: true })));
    await until(() => client.snapshot?.version === 2);
    expect(client.boolean('checkout', {}, true)).toBe(false);
    expect(service.count('stream')).toBe(1);
  });

  it('is reset by a service that lost the revision held', async () => {
    const service = await startService(snapshotOf(5, { checkout: true }));
    const client = connect(service.url);
    await client.ready();
    service.snapshot = snapshotOf(3, { checkout: false }, { revision: '3-bbbbbbbb' });
    service.drop();
    await until(() => client.snapshot?.revision === '3-bbbbbbbb');
    expect(client.status).toMatchObject({ state: 'ready', version: 3 });
  });

  it('finds back to a service whose history it left behind', async () => {
    // Without a revision to be asked for the service cannot know that it must reset: the second misfit asks with one.
    const service = await startService(snapshotOf(5, { checkout: true }));
    const client = connect(service.url);
    await client.ready();
    service.snapshot = snapshotOf(3, { checkout: false }, { revision: '3-bbbbbbbb' });
    service.send(sse('patch', { from: 3, version: 4, revision: '4-b' }));
    await until(() => service.count('stream') === 2 && service.streams.size === 1);
    expect(client.snapshot?.version).toBe(5);
    service.send(sse('patch', { from: 3, version: 4, revision: '4-b' }));
    await until(() => client.snapshot?.version === 3);
  });

  it('never takes a snapshot of another environment or project', async () => {
    const service = await startService();
    const { errors, onError } = collector();
    const client = connect(service.url, { onError });
    await client.ready();
    service.send(sse('put', snapshotOf(8, {}, { environment: 'development', reset: true })));
    service.send(sse('put', snapshotOf(9, {}, { project: 'other' })));
    service.change({ checkout: false });
    await until(() => client.snapshot?.version === 2);
    expect(client.snapshot).toMatchObject({ project: 'default', environment: 'production' });
    expect(errors.map(({ kind }) => kind)).toEqual(['foreign']);
  });

  it('keeps its snapshot when the format is newer than its own, reports it and goes on asking', async () => {
    const service = await startService();
    const { errors, onError } = collector();
    const client = connect(service.url, { onError });
    await client.ready();
    const next = { ...snapshotOf(2, { checkout: false }), format: 2 };
    service.send(sse('put', next) + sse('put', next));
    await until(() => errors.length > 0);
    expect(errors.map(({ kind }) => kind)).toEqual(['format']);
    expect(client.status).toMatchObject({ state: 'stale', version: 1 });
    service.send(sse('put', snapshotOf(3, { checkout: false })));
    await until(() => client.snapshot?.version === 3);
    expect(client.status.state).toBe('ready');
  });

  it('passes over events it does not know and fields it does not need', async () => {
    const service = await startService();
    const client = connect(service.url);
    await client.ready();
    service.send(': a comment\nretry: 5\n\nevent: goodbye\ndata: {"not": "json\n\ndata: no type\n\nevent: put\n\n');
    service.change({ checkout: false });
    await until(() => client.snapshot?.version === 2);
    expect(service.count('stream')).toBe(1);
  });

  it.each([
    ['is no JSON', 'event: put\ndata: {"version": \n\n'],
    ['is no snapshot', 'event: put\ndata: {"flags": 7}\n\n'],
    ['is null', 'event: patch\ndata: null\n\n'],
    ['is no change', 'event: patch\ndata: {"from": 1}\n\n'],
  ])('survives an event that %s', async (_, event) => {
    const service = await startService();
    const { errors, onError } = collector();
    const client = connect(service.url, { onError });
    await client.ready();
    service.send(event);
    await until(() => service.count('stream') >= 2 && service.streams.size === 1);
    service.change({ checkout: false });
    await until(() => !client.boolean('checkout', {}, true));
    expect(client.status.state).toBe('ready');
    expect(errors.map(({ kind }) => kind).filter((kind) => kind !== 'protocol')).toEqual([]);
  });

  it('forgets an event that was cut off', async () => {
    const service = await startService();
    const client = connect(service.url);
    await client.ready();
    const text = sse('put', snapshotOf(2, { checkout: false }));
    service.send(text.slice(0, -1));
    await new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
    service.drop();
    await until(() => service.count('stream') === 2);
    expect(client.snapshot?.version).toBe(1);
  });

  it('reads events that arrive byte by byte, with any ends of line and more than one line of data', async () => {
    const flags = { 'naïve-🚀': true };
    const text = JSON.stringify(snapshotOf(2, flags), null, 1);
    for (const end of ['\n', '\r', '\r\n']) {
      const event = [
        '\uFEFFid: 2-aaaaaaaa',
        'event:put',
        ...text.split('\n').map((line) => `data: ${line}`),
        ': comment',
        '',
        '',
      ].join(end);
      const bytes = new TextEncoder().encode(event);
      const { fetch } = scriptedFetch((_, stream) => {
        for (const byte of bytes) stream.enqueue(Uint8Array.of(byte));
      });
      const client = connect('http://service', { fetch });
      await client.ready({ timeoutMs: 2_000 });
      expect(client.boolean('naïve-🚀', {}, false)).toBe(true);
      await client.close();
    }
  });

  it('becomes refused when the key is revoked, keeps answering and comes back when the key is good again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let good = true;
    const { fetch, streams, requests } = scriptedFetch(
      (_, stream) => stream.event('put', snapshotOf(1, { checkout: true })),
      () => (good ? undefined : new Response(null, { status: 401 })),
    );
    const { errors, onError } = collector();
    const client = connect('http://service', { fetch, onError });
    await vi.waitFor(() => expect(client.status.state).toBe('ready'));
    good = false;
    streams.at(-1)?.close();
    await vi.advanceTimersByTimeAsync(500);
    expect(client.status).toMatchObject({ state: 'refused', version: 1 });
    expect(client.boolean('checkout', {}, false)).toBe(true);
    expect(errors.map(({ kind }) => kind)).toEqual(['refused']);
    const before = requests.length;
    await vi.advanceTimersByTimeAsync(299_000);
    expect(requests).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(requests).toHaveLength(before + 1);
    good = true;
    await vi.advanceTimersByTimeAsync(300_000);
    expect(client.status.state).toBe('ready');
    expect(requests.every(({ url }) => url.endsWith('/stream'))).toBe(true);
  });

  it('takes a connection for dead after 50 s without a byte', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { fetch, streams, requests } = scriptedFetch((_, stream) =>
      stream.event('put', snapshotOf(1, { checkout: true })),
    );
    const client = connect('http://service', { fetch });
    await vi.waitFor(() => expect(client.status.state).toBe('ready'));
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(49_000);
      streams[0]?.enqueue(new TextEncoder().encode(':\n'));
    }
    expect(requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(49_000);
    expect(client.status.state).toBe('ready');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.status).toMatchObject({ state: 'stale', error: { kind: 'network' } });
    expect(streams[0]?.cancelled).toBe(true);
    await vi.advanceTimersByTimeAsync(500);
    expect(client.status.state).toBe('ready');
    expect(requests).toHaveLength(2);
  });

  it('backs off with full jitter from 0.5 s to 30 s while the service is away', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const at: number[] = [];
    let clock = 0;
    const client = connect('http://service', {
      random: () => 0.5,
      fetch: () => {
        at.push(clock);
        return Promise.reject(new TypeError('away'));
      },
    });
    while (clock < 120_000) {
      clock += 50;
      await vi.advanceTimersByTimeAsync(50);
    }
    const gaps = at.slice(1).map((time, i) => time - (at[i] ?? 0));
    expect(gaps.slice(0, 9)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    await client.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('backs off from a service that cuts every stream at once, and begins anew after a connection that stood', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let clock = 0;
    const at: number[] = [];
    const { fetch, streams } = scriptedFetch((_, stream) => {
      at.push(clock);
      stream.event('put', snapshotOf(1, {}));
      if (at.length !== 5) stream.close();
    });
    connect('http://service', { fetch, random: () => 0.5, now: () => clock });
    const pass = async (ms: number): Promise<void> => {
      for (const end = clock + ms; clock < end;) {
        clock += 50;
        await vi.advanceTimersByTimeAsync(50);
      }
    };
    await pass(5_000);
    streams[4]?.close();
    await pass(300);
    expect(at).toEqual([0, 250, 750, 1_750, 3_750, 5_250]);
  });

  it('does not come back sooner than a Retry-After allows', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let busy = true;
    const urls: string[] = [];
    const client = connect('http://service', {
      fetch: (url) => {
        urls.push(url);
        const headers = { 'retry-after': '20' };
        return Promise.resolve(busy ? new Response(null, { status: 503, headers }) : Response.json(snapshotOf(1, {})));
      },
    });
    await vi.advanceTimersByTimeAsync(19_900);
    expect(urls).toHaveLength(1);
    busy = false;
    await vi.advanceTimersByTimeAsync(2_200);
    expect(client.status.state).toBe('ready');
  });
});

describe('without a stream', () => {
  it('polls at once, never beside a stream, and returns to the stream when there is one', async () => {
    const service = await startService();
    let streams = false;
    service.override = (request, response) => {
      if (streams || request.url !== '/sdk/v1/stream') return false;
      response.writeHead(404).end();
      return true;
    };
    const client = connect(service.url, { pollIntervalMs: 20 });
    await client.ready({ timeoutMs: 1_000 });
    service.change({ checkout: false });
    await until(() => client.snapshot?.version === 2);
    expect(client.status.state).toBe('ready');
    streams = true;
    await until(() => service.streams.size === 1);
    service.change({ checkout: true });
    await until(() => client.snapshot?.version === 3);
    expect(service.mostAtOnce).toBe(1);
    const polls = service.count('snapshot');
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    expect(service.count('snapshot')).toBe(polls);
  });

  it.each([
    ['is answered with something else', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['has no body', () => new Response(null, { headers: { 'content-type': 'text/event-stream' } })],
    [
      'ends before its first event',
      () => new Response(': hello\n\n', { headers: { 'content-type': 'text/event-stream' } }),
    ],
    [
      'is held back by a proxy',
      () => new Response(new ReadableStream(), { headers: { 'content-type': 'text/event-stream' } }),
    ],
    ['never gets an answer', () => new Promise<Response>(() => undefined)],
  ])('polls when the stream %s', async (_, answer) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const urls: string[] = [];
    const client = connect('http://service/base/', {
      fetch: (url) => {
        urls.push(url);
        return url.endsWith('/stream')
          ? Promise.resolve(answer())
          : Promise.resolve(Response.json(snapshotOf(1, { checkout: true })));
      },
    });
    await vi.advanceTimersByTimeAsync(11_000);
    expect(client.status.state).toBe('ready');
    expect(urls.slice(0, 2)).toEqual(['http://service/base/sdk/v1/stream', 'http://service/base/sdk/v1/snapshot']);
    await client.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('tries the stream again after one poll, then two, four, eight and ten', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const kinds: string[] = [];
    connect('http://service', {
      fetch: (url) => {
        kinds.push(url.endsWith('/stream') ? 's' : 'p');
        return Promise.resolve(
          url.endsWith('/stream') ? new Response(null, { status: 404 }) : Response.json(snapshotOf(1, {})),
        );
      },
    });
    await vi.advanceTimersByTimeAsync(35 * 34_000);
    expect(kinds.join('')).toMatch(/^spsppsppppspppppppps(p{10}s)+p*$/);
  });
});

afterEach(() => {
  vi.useRealTimers();
});
