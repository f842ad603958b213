import type { Snapshot } from '@fledge/sdk';
import { describe, expect, it } from 'vitest';
import { snapshotOf, until } from './support/fake-service.js';
import { collector, connect, startService, untyped, unusedPort } from './support/harness.js';

const memoryCache = (loaded?: Snapshot) => {
  const saved: Snapshot[] = [];
  return { saved, load: () => loaded, save: (snapshot: Snapshot) => void saved.push(snapshot) };
};

describe('a bootstrap', () => {
  it('answers at once, marked stale, and is replaced by the first real snapshot whatever its version', async () => {
    const service = await startService(snapshotOf(2, { checkout: false, search: true }));
    const { revision: _, ...bootstrap } = snapshotOf(100, { checkout: true });
    const client = connect(service.url, { bootstrap });
    const changes: unknown[] = [];
    client.on('change', (change) => changes.push(change));
    client.on('stale', () => changes.push('stale'));
    expect(client.boolean('checkout', {}, false)).toBe(true);
    expect(client.status).toMatchObject({ state: 'stale', version: 100 });
    await client.ready({ timeoutMs: 1 });
    await until(() => client.status.state === 'ready');
    expect(client.snapshot?.version).toBe(2);
    expect(changes).toEqual([{ version: 2, flags: ['checkout', 'search'] }]);
    expect(service.requests[0]?.headers).not.toHaveProperty('last-event-id');
  });

  it('that the service knows is continued, not sent again', async () => {
    const service = await startService(snapshotOf(3, { checkout: true }));
    const client = connect(service.url, { bootstrap: snapshotOf(3, { checkout: true }) });
    await until(() => client.status.state === 'ready');
    expect(service.requests[0]?.headers['last-event-id']).toBe('3-aaaaaaaa');
    service.change({ checkout: false });
    await until(() => client.snapshot?.version === 4);
  });

  it('may lack what only rules about cohorts need', async () => {
    const service = await startService(snapshotOf(2, { search: true }));
    const { errors, onError } = collector();
    const { cohorts: _, ...bare } = snapshotOf(1, { checkout: true });
    const client = connect(service.url, { bootstrap: untyped(bare), onError });
    expect(client.boolean('checkout', {}, false)).toBe(true);
    const changes: unknown[] = [];
    client.on('change', ({ flags }) => changes.push(flags));
    await until(() => client.status.state === 'ready');
    expect(changes).toEqual([['search', 'checkout']]);
    expect(errors).toEqual([]);
  });

  it('of a newer format is reported and not used', async () => {
    const { errors, onError } = collector();
    const client = connect(`http://127.0.0.1:${await unusedPort()}`, {
      onError,
      bootstrap: untyped({ ...snapshotOf(1, { checkout: true }), format: 2 }),
    });
    expect(client.boolean('checkout', {}, false)).toBe(false);
    expect(errors[0]?.kind).toBe('format');
  });
});

describe('a cache', () => {
  it('gives the last known good snapshot while the service is away', async () => {
    const cache = memoryCache(snapshotOf(4, { checkout: true }));
    const client = connect(`http://127.0.0.1:${await unusedPort()}`, { cache });
    await client.ready({ timeoutMs: 1_000 });
    expect(client.boolean('checkout', {}, false)).toBe(true);
    expect(client.status).toMatchObject({ state: 'stale', version: 4 });
    expect(cache.saved).toEqual([]);
  });

  it('is loaded before the service is asked, so that only what is newer has to be sent', async () => {
    const service = await startService(snapshotOf(4, { checkout: true }));
    const client = connect(service.url, {
      cache: { ...memoryCache(), load: () => Promise.resolve(snapshotOf(4, { checkout: true })) },
    });
    await until(() => client.status.state === 'ready');
    expect(service.requests[0]?.headers['last-event-id']).toBe('4-aaaaaaaa');
  });

  it('replaces the bootstrap when it is newer, and only of the same environment', async () => {
    const url = `http://127.0.0.1:${await unusedPort()}`;
    const versionWith = async (cached: Snapshot): Promise<number | undefined> => {
      const client = connect(url, {
        bootstrap: snapshotOf(5, {}),
        cache: memoryCache(cached),
        onError: ({ kind }) => expect(kind).toBe('network'),
      });
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
      return client.snapshot?.version;
    };
    expect(await versionWith(snapshotOf(6, {}))).toBe(6);
    expect(await versionWith(snapshotOf(4, {}))).toBe(5);
    expect(await versionWith(snapshotOf(7, {}, { environment: 'development' }))).toBe(5);
  });

  it('is given every snapshot of the service, one at a time, the newest last', async () => {
    const service = await startService();
    const saved: number[] = [];
    let saving = 0;
    const client = connect(service.url, {
      cache: {
        load: () => undefined,
        save: async ({ version }) => {
          expect(++saving).toBe(1);
          await new Promise((resolve) => {
            setTimeout(resolve, 20);
          });
          saving--;
          saved.push(version);
        },
      },
    });
    await client.ready();
    for (let i = 0; i < 10; i++) service.change({ checkout: i % 2 === 0 });
    await until(() => client.snapshot?.version === 11);
    await client.flush();
    expect(saved.at(-1)).toBe(11);
    expect(saved.length).toBeLessThan(6);
    expect(new Set(saved).size).toBe(saved.length);
    service.change({ checkout: true });
    await until(() => client.snapshot?.version === 12);
    await client.close();
    expect(saved.at(-1)).toBe(12);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('disk');
      },
    ],
    ['rejects', () => Promise.reject(new Error('disk'))],
  ])('that %s does no harm', async (_, fail) => {
    const service = await startService();
    const { errors, onError } = collector();
    const client = connect(service.url, { onError, cache: { load: fail, save: fail } });
    await client.ready();
    service.change({ checkout: false });
    await until(() => client.snapshot?.version === 2);
    await client.flush();
    expect(client.status).toMatchObject({ state: 'ready', error: undefined });
    expect(errors.map(({ kind }) => kind)).toEqual(['cache']);
  });

  it.each([
    ['nonsense', 42],
    ['an empty object', {}],
    ['null', null],
  ])('that holds %s counts as empty', async (_, value) => {
    const service = await startService();
    const client = connect(service.url, { cache: { load: () => untyped(value), save: () => undefined } });
    await client.ready();
    expect(client.snapshot?.version).toBe(1);
  });

  it('that never answers does not keep the client from starting', async () => {
    const service = await startService();
    const client = connect(service.url, { cache: { load: () => new Promise(() => undefined), save: () => undefined } });
    await client.ready({ timeoutMs: 3_000 });
    expect(client.status.state).toBe('ready');
  });

  it('that answers late never replaces what the service sent', async () => {
    const service = await startService();
    let answer: (snapshot: Snapshot) => void = () => undefined;
    const load = (): Promise<Snapshot> =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const client = connect(service.url, { cache: { load, save: () => undefined } });
    await client.ready({ timeoutMs: 3_000 });
    answer(snapshotOf(50, {}));
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
    expect(client.snapshot?.version).toBe(1);
  });
});
