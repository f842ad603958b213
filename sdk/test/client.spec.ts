import { createClient } from '@fledge/sdk';
import { describe, expect, it } from 'vitest';
import { snapshotOf, switched, until } from './support/fake-service.js';
import { collector, connect, startService, untyped, unusedPort } from './support/harness.js';

const flags = {
  checkout: true,
  banner: switched('banner', true, { type: 'string', variants: { on: 'Hello', off: 'Bye' } }),
  size: switched('size', true, { type: 'number', variants: { on: 20, off: 0 } }),
  limits: switched('limits', true, { type: 'object', variants: { on: { max: 3 }, off: {} } }),
  bare: switched('bare', true, { fallthrough: null }),
};
const user = { targetingKey: 'user-1' };

describe('a client', () => {
  it('answers with the default until a snapshot is held', async () => {
    const client = connect(`http://127.0.0.1:${await unusedPort()}`);
    expect(client.boolean('checkout', user, true)).toBe(true);
    expect(client.evaluate('checkout', user, true)).toEqual({
      value: true,
      reason: 'ERROR',
      errorCode: 'PROVIDER_NOT_READY',
      errorMessage: expect.any(String),
      metadata: {},
    });
    expect(client.evaluateAll(user)).toEqual({});
    expect(client.snapshot).toBeUndefined();
    expect(client.status).toMatchObject({ state: 'starting', version: undefined, receivedAt: undefined });
  });

  it('evaluates with the snapshot of the service as soon as it is ready', async () => {
    const service = await startService(snapshotOf(7, flags));
    const client = connect(service.url, { now: () => 1_000 });
    await client.ready({ timeoutMs: 3_000 });
    expect(client.boolean('checkout', user, false)).toBe(true);
    expect(client.string('banner', user, 'none')).toBe('Hello');
    expect(client.number('size', user, 1)).toBe(20);
    expect(client.object('limits', user, { max: 1 })).toEqual({ max: 3 });
    expect(client.evaluate('banner', user, 'none')).toEqual({
      value: 'Hello',
      variant: 'on',
      reason: 'STATIC',
      metadata: { version: 7 },
    });
    expect(client.status).toEqual({
      state: 'ready',
      version: 7,
      revision: '7-aaaaaaaa',
      receivedAt: 1_000,
      confirmedAt: 1_000,
      error: undefined,
    });
    expect(client.snapshot?.version).toBe(7);
  });

  it('gives the default, and says why, when the flag is missing, of another type or has nothing to serve', async () => {
    const client = createClient({ snapshot: snapshotOf(1, flags) });
    expect(client.evaluate('nothing', user, 1)).toMatchObject({
      value: 1,
      reason: 'ERROR',
      errorCode: 'FLAG_NOT_FOUND',
    });
    expect(client.evaluate('banner', user, 1)).toMatchObject({ value: 1, reason: 'ERROR', errorCode: 'TYPE_MISMATCH' });
    expect(client.evaluate('bare', user, true)).toMatchObject({ value: true, reason: 'DEFAULT' });
    expect(client.boolean('banner', user, true)).toBe(true);
    expect(client.string('checkout', user, 'x')).toBe('x');
    expect(client.number('checkout', user, 5)).toBe(5);
    expect(client.object('checkout', user, [1])).toEqual([1]);
    expect(client.evaluate('banner', user, null)).toMatchObject({ value: 'Hello', variant: 'on' });
  });

  it('evaluates all flags without defaults', () => {
    const client = createClient({ snapshot: snapshotOf(1, flags) });
    const all = client.evaluateAll(user);
    expect(Object.keys(all)).toEqual(Object.keys(flags));
    expect(all['checkout']).toEqual({ value: true, variant: 'on', reason: 'STATIC', metadata: { version: 1 } });
    expect(all['bare']).not.toHaveProperty('value');
  });

  it('reads the clock it was given for rules about time', () => {
    const rule = {
      id: 'launch',
      conditions: [{ attribute: '$now', operator: 'after' as const, values: ['2026-01-01T00:00:00Z'] }],
      serve: { variant: 'on' },
    };
    const snapshot = snapshotOf(1, { launched: switched('launched', false, { rules: [rule] }) });
    const at = (now: string): boolean =>
      createClient({ snapshot, now: () => Date.parse(now) }).boolean('launched', {}, false);
    expect(at('2025-12-31T23:59:59Z')).toBe(false);
    expect(at('2026-01-01T00:00:01Z')).toBe(true);
  });

  it('never throws, whatever it is asked', () => {
    const trap = new Proxy(
      {},
      {
        get: () => {
          throw new Error('trap');
        },
        has: () => {
          throw new Error('trap');
        },
        ownKeys: () => {
          throw new Error('trap');
        },
        getOwnPropertyDescriptor: () => {
          throw new Error('trap');
        },
      },
    );
    const rule = {
      id: 'r',
      conditions: [{ attribute: 'a', operator: 'in' as const, values: ['x'] }],
      serve: { variant: 'on' },
    };
    const client = createClient({
      snapshot: snapshotOf(1, { ruled: switched('ruled', false, { rules: [rule] }) }),
    });
    const broken = createClient({
      snapshot: snapshotOf(1, flags),
      now: () => {
        throw new Error('no clock');
      },
    });
    // What a caller without types may pass.
    const hostile = [undefined, null, 1, 'text', Symbol('s'), trap, () => 0, [], Object.create(null)].map(untyped);
    for (const context of hostile) {
      expect(client.boolean('ruled', context, true)).toEqual(expect.any(Boolean));
      expect(client.evaluateAll(context)).toHaveProperty('ruled');
      expect(client.evaluate(context, {}, untyped(true))).toMatchObject({ value: true, reason: 'ERROR' });
      expect(() => client.evaluate('ruled', {}, context)).not.toThrow();
    }
    expect(() => client.on(untyped('nothing'), untyped(undefined))()).not.toThrow();
    expect(() => client.ready(untyped(null))).not.toThrow();
    expect(broken.boolean('checkout', user, false)).toBe(true);
    expect(Object.keys(broken.evaluateAll(user))).toEqual(Object.keys(flags));
  });

  it('serves a fixed snapshot without any network', async () => {
    const before = globalThis.fetch;
    globalThis.fetch = () => {
      throw new Error('network');
    };
    try {
      const snapshot = snapshotOf(3, flags);
      const client = createClient({ snapshot });
      await client.ready();
      expect(client.snapshot).toBe(snapshot);
      expect(client.boolean('checkout', user, false)).toBe(true);
      expect(client.status).toMatchObject({ state: 'ready', version: 3 });
      await client.close();
    } finally {
      globalThis.fetch = before;
    }
  });

  it('answers with the last snapshot after close', async () => {
    const service = await startService(snapshotOf(1, { checkout: true }));
    const client = connect(service.url);
    await client.ready();
    await client.close();
    await client.close();
    expect(client.status).toMatchObject({ state: 'closed', version: 1 });
    expect(client.boolean('checkout', user, false)).toBe(true);
    await until(() => service.streams.size === 0);
    service.change({ checkout: false });
    expect(client.boolean('checkout', user, false)).toBe(true);
    await client.ready();
    await client.flush();
  });

  it('shares nothing with another client of the same process', async () => {
    const [one, two] = [
      await startService(snapshotOf(1, { checkout: true })),
      await startService(snapshotOf(1, { checkout: false })),
    ];
    const [first, second] = [connect(one.url), connect(two.url)];
    const heard: string[] = [];
    first.on('change', () => heard.push('first'));
    second.on('change', () => heard.push('second'));
    await Promise.all([first.ready(), second.ready()]);
    expect([first.boolean('checkout', user, false), second.boolean('checkout', user, true)]).toEqual([true, false]);
    one.change({ checkout: false });
    await until(() => first.snapshot?.version === 2);
    await first.close();
    expect(heard).toEqual(['first']);
    expect(second.status.state).toBe('ready');
  });
});

describe('the factory', () => {
  const fails = (options: unknown): string => {
    try {
      createClient(untyped(options));
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
      return String(error);
    }
    throw new Error('it did not throw');
  };

  it('lists every problem of its options at once', () => {
    const message = fails({
      url: 'localhost:4000',
      sdkKey: '',
      mode: 'sse',
      pollIntervalMs: -1,
      bootstrap: 'x',
      cache: { load: () => undefined },
      fetch: 1,
      now: 2,
      random: 3,
      onError: 4,
      logger: {},
    });
    for (const name of [
      'url',
      'sdkKey',
      'mode',
      'pollIntervalMs',
      'bootstrap',
      'cache',
      'fetch',
      'now',
      'random',
      'onError',
      'logger',
    ]) {
      expect(message).toContain(`${name}: `);
    }
    expect(message).toContain('got localhost:4000');
  });

  it('refuses what is no object, half a service, and a service beside a fixed snapshot', () => {
    for (const nothing of [undefined, null, 1, 'x', {}]) expect(fails(nothing)).toMatch(/url: .*sdkKey: /);
    expect(fails({ url: 'http://localhost' })).toContain('sdkKey: ');
    expect(fails({ sdkKey: 'k' })).toContain('url: ');
    expect(fails({ snapshot: snapshotOf(1, {}), url: 'http://localhost', sdkKey: 'k' })).toContain('snapshot: ');
    expect(fails({ snapshot: {} })).toContain('snapshot: ');
    expect(fails({ snapshot: { ...snapshotOf(1, {}), format: 2 } })).toContain('snapshot: ');
    expect(fails({ url: 'ftp://localhost', sdkKey: 'k' })).toContain('url: ');
  });

  it('never repeats a secret', () => {
    expect(fails({ url: 'http://user:secret@host', sdkKey: 'also secret' })).not.toContain('secret');
  });
});

describe('ready', () => {
  it('rejects when the time is over, says why, and the client goes on trying', async () => {
    const port = await unusedPort();
    const client = connect(`http://127.0.0.1:${port}`);
    await expect(client.ready({ timeoutMs: 60 })).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringContaining('60 ms'),
    });
    await startService(snapshotOf(1, { checkout: true }), port);
    await client.ready({ timeoutMs: 3_000 });
    expect(client.boolean('checkout', user, false)).toBe(true);
  });

  it('rejects when the key is refused, at once when that is known', async () => {
    const service = await startService();
    service.key = 'another';
    const client = connect(service.url);
    await expect(client.ready()).rejects.toMatchObject({ kind: 'refused' });
    expect(client.status).toMatchObject({ state: 'refused', error: { kind: 'refused' } });
    await expect(client.ready()).rejects.toMatchObject({ kind: 'refused' });
  });

  it('rejects when the client is closed before there was a snapshot', async () => {
    const client = connect(`http://127.0.0.1:${await unusedPort()}`);
    const ready = client.ready();
    await client.close();
    await expect(ready).rejects.toMatchObject({ kind: 'closed' });
    await expect(client.ready()).rejects.toMatchObject({ kind: 'closed' });
  });

  it('does not end a process that looks away from its rejection', async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', listener);
    const client = connect(`http://127.0.0.1:${await unusedPort()}`);
    void client.ready({ timeoutMs: 10 });
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    process.off('unhandledRejection', listener);
    expect(unhandled).toEqual([]);
  });
});

describe('listeners', () => {
  it('hear of changes with the keys that changed, of readiness, and of nothing once they are off', async () => {
    const service = await startService(snapshotOf(1, { checkout: true, search: true }));
    const client = connect(service.url);
    const heard: unknown[] = [];
    client.on('ready', ({ version }) => heard.push(['ready', version]));
    const off = client.on('change', (change) => heard.push(['change', change]));
    await client.ready();
    service.change({ search: false });
    await until(() => client.snapshot?.version === 2);
    expect(heard).toEqual([
      ['ready', 1],
      ['change', { version: 2, flags: ['search'] }],
    ]);
    off();
    off();
    service.change({ search: true });
    await until(() => client.snapshot?.version === 3);
    expect(heard).toHaveLength(2);
  });

  it('hear of an outage and of its end', async () => {
    const service = await startService();
    const client = connect(service.url);
    const heard: string[] = [];
    for (const event of ['ready', 'stale', 'error'] as const) client.on(event, () => heard.push(event));
    await client.ready();
    const { port } = service;
    await service.stop();
    await until(() => client.status.state === 'stale');
    expect(client.status).toMatchObject({ version: 1, error: { kind: 'network' } });
    expect(client.boolean('checkout', user, false)).toBe(true);
    await startService(snapshotOf(1, { checkout: true }), port);
    await until(() => client.status.state === 'ready');
    expect(heard).toEqual(['ready', 'error', 'stale', 'ready']);
    expect(client.status.error).toBeUndefined();
  });

  it('may throw without harm, and so may the logger and onError', async () => {
    const service = await startService();
    const { errors, onError } = collector();
    const warned: string[] = [];
    const client = connect(service.url, {
      onError: (error) => {
        onError(error);
        throw new Error('onError');
      },
      logger: {
        warn: (message) => {
          warned.push(message);
          throw new Error('logger');
        },
      },
    });
    const heard: string[] = [];
    client.on('change', () => {
      throw new Error('listener');
    });
    client.on('change', () => heard.push('second'));
    client.on('change', () => {
      // oxlint-disable-next-line typescript/only-throw-error -- what careless code may throw
      throw Object.create(null);
    });
    client.on('error', () => {
      throw new Error('error listener');
    });
    await client.ready();
    service.change({ checkout: false });
    service.change({ checkout: true });
    await until(() => client.snapshot?.version === 3);
    expect(heard).toEqual(['second', 'second']);
    expect(errors.map(({ kind }) => kind)).toEqual(['listener']);
    expect(warned).toEqual([expect.stringContaining('listener')]);
  });
});

describe('trouble', () => {
  it('is reported once per kind, with its cause and without the key', async () => {
    const { errors, onError } = collector();
    const warned: string[] = [];
    const requests: string[] = [];
    const client = connect('http://127.0.0.1:9', {
      onError,
      logger: { warn: (message) => warned.push(message) },
      fetch: (url) => {
        requests.push(url);
        return Promise.reject(new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }));
      },
      random: () => 0.001,
    });
    await until(() => requests.length > 6);
    expect(errors.map(({ kind }) => kind)).toEqual(['network']);
    expect(warned).toEqual([expect.stringContaining('ECONNREFUSED')]);
    expect(JSON.stringify([warned, String(errors[0])])).not.toContain('fledge_sdk');
    expect(client.status.state).toBe('starting');
  });
});
