import { validateReport } from '@fledge/canary';
import { createClient, type FledgeClient } from '@fledge/sdk';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { collector } from './support/harness.js';
import { SDK_KEY, snapshotOf, switched, until } from './support/fake-service.js';
import { armOf, report, ROLLOUT, watched, watchedSnapshot } from './support/reports.js';

afterEach(() => {
  vi.useRealTimers();
});

/** user-0 … user-9 by arm under this salt and 50 %. */
const unitsOf = async (): Promise<Record<string, string[]>> => {
  const { client } = await report();
  const units: Record<string, string[]> = { canary: [], baseline: [] };
  for (let i = 0; i < 10; i++) {
    const { metadata } = client.evaluate('checkout', { targetingKey: `user-${i}` }, false);
    units[String(metadata['arm'])]?.push(`user-${i}`);
  }
  return units;
};

describe('run', () => {
  it('runs the code of the variant served and answers what it answers, a promise or not', async () => {
    const { client } = await report();
    const { canary: [inCanary] = [], baseline: [inBaseline] = [] } = await unitsOf();
    const run = (targetingKey: string | undefined) =>
      client.run(
        'checkout',
        { targetingKey: targetingKey ?? '' },
        { on: () => 'new' as const, off: async () => 'old' as const },
      );
    expect(run(inCanary)).toBe('new');
    const old = run(inBaseline);
    expect(old).toBeInstanceOf(Promise);
    expect(await old).toBe('old');
  });

  it('counts a throw and a rejection as failures, and throws the very same', async () => {
    const { client, outcomes } = await report();
    const cause = new Error('broken');
    const codes = [
      () => 1,
      async () => 1,
      () => {
        throw cause;
      },
      () => Promise.reject(cause),
    ];
    const caught: unknown[] = [];
    for (const code of codes) {
      try {
        await client.run('checkout', { targetingKey: 'user-1' }, { on: code, off: code });
      } catch (error) {
        caught.push(error);
      }
    }
    expect(caught).toEqual([cause, cause]);
    expect(caught.every((error) => error === cause)).toBe(true);
    await client.flush();
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]?.items).toHaveLength(1);
    expect(outcomes[0]?.items[0]).toMatchObject({
      rollout: ROLLOUT,
      epoch: 7,
      first: { n: 1 },
      metrics: { errors: { n: 4, k: 2, a: 1, f: 1 }, latency: { n: 4 } },
    });
    expect(outcomes[0] && validateReport(outcomes[0])).toEqual([]);
  });

  it('takes the time of a promise until it is settled, and follows a thenable once', async () => {
    const { client, outcomes } = await report();
    let followed = 0;
    const slow = {
      // oxlint-disable-next-line unicorn/no-thenable -- some queries are: `then` begins them
      then: (resolve: (value: string) => void) => {
        followed++;
        setTimeout(() => resolve('done'), 40);
      },
    };
    expect(await client.run('checkout', { targetingKey: 'user-1' }, { on: () => slow, off: () => slow })).toBe('done');
    await client.flush();
    expect(followed).toBe(1);
    const [, mean = 0] = outcomes[0]?.items[0]?.metrics['latency']?.lnms ?? [];
    expect(Math.exp(mean)).toBeGreaterThan(35);
  });

  it('falls back on `off`, else on the last, unmeasured, where no variant with code is served', async () => {
    const { client, outcomes } = await report();
    const context = { targetingKey: 'user-1' };
    expect(client.run('missing', context, { off: () => 'safe', on: () => 'new' })).toBe('safe');
    expect(client.run('missing', context, { blue: () => 'new', green: () => 'safe' })).toBe('safe');
    expect(client.run('checkout', context, { toString: () => 'never', plain: () => 'safe' })).toBe('safe');
    await client.flush();
    expect(outcomes[0]?.items[0]?.metrics).toEqual({});
    const early = createClient({ url: 'http://service', sdkKey: SDK_KEY, fetch: () => new Promise(() => undefined) });
    expect(early.run('checkout', context, { on: () => 'new', off: () => 'old' })).toBe('old');
    await early.close();
  });
});

describe('track', () => {
  it('takes rollout, epoch and arm when it is called, whatever the snapshot says later', async () => {
    const { client, outcomes, put } = await report();
    const { canary: [unit] = [] } = await unitsOf();
    const context = { targetingKey: unit ?? '' };
    const tracker = client.track('checkout', context);
    await client.flush();
    put(watchedSnapshot(watched({ epoch: 8, percentage: 0 }), 2));
    await until(() => client.snapshot?.version === 2);
    client.track('checkout', context).ok();
    // Two reports in between: the old epoch's units are forgotten by now, not what is still under way.
    await client.flush();
    await client.flush();
    tracker.fail(5);
    await client.flush();
    expect(outcomes).toHaveLength(3);
    expect(outcomes[1]?.items.map(({ epoch, arm }) => [epoch, arm])).toEqual([[8, 'baseline']]);
    expect(outcomes[2]?.items.map(({ epoch, arm }) => [epoch, arm])).toEqual([[7, 'canary']]);
    expect(outcomes[2] && armOf(outcomes[2], 'canary').metrics).toMatchObject({
      errors: { n: 1, k: 1 },
      latency: { n: 1 },
    });
  });

  it('hears `ok` or `fail` once, and other metrics as often as it is told', async () => {
    const metrics = {
      errors: { count: 'request' as const },
      cache: { count: 'request' as const },
      db: { count: 'request' as const, over: 10 },
    };
    const { client, outcomes } = await report(watchedSnapshot(watched({ metrics })));
    const tracker = client.track('checkout', { targetingKey: 'user-1' });
    tracker.ok();
    tracker.fail();
    tracker.ok(3);
    tracker.count('cache', true);
    tracker.count('cache', false);
    tracker.value('db', 11);
    tracker.value('db', 10);
    tracker.count('unheard-of', true);
    await client.flush();
    const told = outcomes[0]?.items[0]?.metrics;
    expect(Object.keys(told ?? {}).toSorted()).toEqual(['cache', 'db', 'errors']);
    expect(told).toMatchObject({ errors: { n: 1, k: 0 }, cache: { n: 2, k: 1 }, db: { n: 2, k: 1 } });
  });

  it('labels by the future arm while everybody still gets the baseline', async () => {
    const warmUp = watched({}, { gate: { percentage: 0, salt: 'salt', otherwise: 'off' } });
    const { client, outcomes } = await report(watchedSnapshot(warmUp));
    const { canary = [], baseline = [] } = await unitsOf();
    for (let i = 0; i < 10; i++) {
      client.run('checkout', { targetingKey: `user-${i}` }, { on: () => expect.fail('served'), off: () => 1 });
    }
    await client.flush();
    const [posted] = outcomes;
    expect(posted && armOf(posted, 'canary').first.n).toBe(canary.length);
    expect(posted && armOf(posted, 'baseline').first.n).toBe(baseline.length);
    expect(canary.length).toBeGreaterThan(0);
  });

  it('watches after completion by the mark on the flag', async () => {
    const { rules, ...rest } = watched();
    const measure = { ...rules[0]?.measure, percentage: 100 } as never;
    const flag = { ...rest, rules: [], fallthrough: { variant: 'on' }, measure };
    const { client, outcomes } = await report(watchedSnapshot(flag));
    client.track('checkout', { targetingKey: 'user-1' }).fail();
    await client.flush();
    expect(outcomes[0]?.items[0]).toMatchObject({ arm: 'canary', metrics: { errors: { n: 1, k: 1 } } });
  });

  it('breaks nothing where nobody watches, the mark is broken, or there is no unit', async () => {
    const broken = watched({ metrics: null as never }, {}, 'broken');
    const snapshot = { ...watchedSnapshot(), flags: { ...watchedSnapshot().flags, broken } };
    const { client, outcomes } = await report(snapshot);
    for (const flag of ['banner', 'missing', 'broken']) client.track(flag, { targetingKey: 'user-1' }).fail(3);
    client.track('checkout', {}).fail(3);
    client.boolean('checkout', {}, false);
    client.boolean('checkout', { targetingKey: '' }, false);
    client.track('checkout', { targetingKey: 'user-1' }).ok();
    await client.flush();
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]).toMatchObject({ unmeasured: 2, items: [{ metrics: { errors: { n: 1 } } }] });
  });
});

describe('exposures', () => {
  it('are counted per flag and variant, for evaluations one by one', async () => {
    const snapshot = snapshotOf(1, {
      checkout: watched(),
      banner: true,
      bare: switched('bare', true, { enabled: false, offVariant: null }),
    });
    const { client, exposures } = await report(snapshot);
    for (let i = 0; i < 10; i++) client.boolean('checkout', { targetingKey: `user-${i}` }, false);
    for (let i = 0; i < 3; i++) client.boolean('banner', {}, false);
    client.boolean('bare', {}, false);
    client.boolean('missing', {}, false);
    client.run('banner', {}, { on: () => 1 });
    client.track('banner', {}).ok();
    client.evaluateAll({});
    await client.flush();
    await client.flush();
    const { canary = [] } = await unitsOf();
    expect(exposures).toHaveLength(1);
    expect(
      exposures[0]?.items.toSorted((a, b) => `${a.flag}${a.variant}`.localeCompare(`${b.flag}${b.variant}`)),
    ).toEqual([
      { flag: 'banner', variant: 'on', n: 4 },
      { flag: 'bare', variant: null, n: 1 },
      { flag: 'checkout', variant: 'off', n: 10 - canary.length },
      { flag: 'checkout', variant: 'on', n: canary.length },
    ]);
  });

  it('of units are counted once in a process and epoch, and as exposures of nobody else', async () => {
    const { client, outcomes, posted } = await report();
    for (let i = 0; i < 30; i++) client.boolean('checkout', { targetingKey: `user-${i % 10}` }, false);
    await client.flush();
    client.boolean('checkout', { targetingKey: 'user-3' }, false);
    await client.flush();
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]?.items.reduce((sum, { first }) => sum + first.n, 0)).toBe(10);
    expect(outcomes[0] && validateReport(outcomes[0])).toEqual([]);
    expect(posted.join()).not.toContain('user-');
  });

  it('before the reporter is there are counted as dropped', async () => {
    const bodies: { dropped: number }[] = [];
    const client = createClient({
      url: 'http://service',
      sdkKey: SDK_KEY,
      bootstrap: watchedSnapshot(),
      fetch: async (_, { body }) => {
        if (body === undefined) return new Promise(() => undefined);
        bodies.push(JSON.parse(body) as { dropped: number });
        return new Response(null, { status: 202 });
      },
    });
    client.boolean('banner', {}, false);
    client.track('checkout', { targetingKey: 'user-1' }).ok();
    await client.flush();
    client.boolean('banner', {}, false);
    await client.close();
    expect(bodies).toMatchObject([{ dropped: 1, items: [{ flag: 'banner', variant: 'on', n: 1 }] }]);
  });
});

describe('reports', () => {
  /** Ten seconds pass. */
  const interval = (): Promise<unknown> => vi.advanceTimersByTimeAsync(10_000);
  const once = (client: FledgeClient): boolean => client.boolean('banner', {}, false);

  it('are sent every ten seconds, give or take a tenth, when there is something to say', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { client, exposures } = await report(undefined, { random: () => 0 });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(exposures).toHaveLength(0);
    once(client);
    await vi.advanceTimersByTimeAsync(6_900);
    expect(exposures).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(200);
    expect(exposures).toHaveLength(1);
  });

  it('are sent again under the same id until they have arrived', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let now = 1_800_000_000_000;
    const answers = [
      () => Promise.reject(new TypeError('connection lost')),
      () => new Response(null, { status: 503 }),
      () => new Response(null, { status: 429 }),
      () => new Response(null, { status: 202 }),
    ];
    const { client, exposures } = await report(undefined, { now: () => now, random: () => 0.5 }, (_, n) =>
      (answers[n - 1] ?? answers[3] ?? expect.fail())(),
    );
    once(client);
    for (let i = 0; i < 40; i++) {
      now += 10_000;
      await interval();
      if (i === 1) once(client);
    }
    expect(exposures.map(({ id }) => id)).toEqual([...Array(4).fill(exposures[0]?.id), exposures[4]?.id]);
    expect(exposures[4]?.id).not.toBe(exposures[0]?.id);
    expect(exposures.slice(0, 4).map(({ items }) => items)).toEqual(Array(4).fill(exposures[0]?.items));
    const ages = exposures.slice(0, 4).map(({ ageMs }) => ageMs);
    expect(ages).toEqual(ages.toSorted((a, b) => a - b));
    expect(ages[0]).toBe(0);
    expect(exposures[4]?.dropped).toBe(0);
  });

  it('wait for as long as the service asks', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let now = 1_800_000_000_000;
    const { client, exposures } = await report(undefined, { now: () => now }, (_, n) =>
      n === 1
        ? new Response(null, { status: 429, headers: { 'retry-after': '60' } })
        : new Response(null, { status: 202 }),
    );
    once(client);
    const sent: number[] = [];
    for (let i = 0; i < 10; i++) {
      now += 10_000;
      await interval();
      sent.push(exposures.length);
    }
    expect(sent).toEqual([1, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
  });

  it('that are refused for good or too old are dropped, and that is told and counted', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let now = 1_800_000_000_000;
    let status = 422;
    const { errors, onError } = collector();
    const { client, exposures } = await report(
      undefined,
      { now: () => now, onError },
      () => new Response(null, { status }),
    );
    for (let i = 0; i < 3; i++) once(client);
    now += 10_000;
    await interval();
    const told = (): string[] => errors.filter(({ kind }) => kind === 'report').map(({ message }) => message);
    expect(told()).toEqual([expect.stringContaining('A report of exposures was dropped: ')]);
    status = 503;
    once(client);
    for (let i = 0; i < 40; i++) {
      now += 10_000;
      await interval();
    }
    status = 202;
    once(client);
    now += 10_000;
    await interval();
    expect(exposures.at(-1)).toMatchObject({ dropped: 4, items: [{ n: 1 }] });
    expect(told()).toHaveLength(1);
  });

  it('are bounded while the service is away', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let status = 503;
    const answer = (): Response => new Response(null, { status });
    const { client, exposures } = await report(undefined, { now: () => 0 }, answer);
    for (let i = 0; i < 100; i++) {
      once(client);
      await interval();
    }
    status = 202;
    const before = exposures.length;
    once(client);
    await client.close();
    const arrived = exposures.slice(before);
    expect(arrived).toHaveLength(60);
    expect(arrived.reduce((sum, { dropped, items }) => sum + dropped + (items[0]?.n ?? 0), 0)).toBe(101);
  });

  it('are split so that each is taken', async () => {
    const flags = Object.fromEntries(Array.from({ length: 6_000 }, (_, i) => [`${'a'.repeat(60)}-${i}`, true]));
    const { client, posted, exposures } = await report(snapshotOf(1, flags));
    for (const key of Object.keys(flags)) client.boolean(key, {}, false);
    await client.flush();
    expect(posted.length).toBeGreaterThan(1);
    expect(Math.max(...posted.map((body) => body.length))).toBeLessThan(262_144);
    expect(exposures.reduce((sum, { items }) => sum + items.length, 0)).toBe(6_000);
    expect(new Set(exposures.map(({ id }) => id)).size).toBe(exposures.length);
  });

  it('of what is held are sent by close, and nothing after it', async () => {
    const { client, exposures, outcomes } = await report();
    once(client);
    const tracker = client.track('checkout', { targetingKey: 'user-1' });
    tracker.ok();
    await client.close();
    expect([exposures.length, outcomes.length]).toEqual([1, 1]);
    once(client);
    tracker.count('errors', true);
    client.track('checkout', { targetingKey: 'user-1' }).ok();
    await client.flush();
    await client.close();
    expect([exposures.length, outcomes.length]).toEqual([1, 1]);
  });

  it('do not keep close waiting for a service that does not answer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { client } = await report(undefined, {}, () => new Promise(() => undefined));
    once(client);
    void client.flush();
    const closed = vi.fn<() => void>();
    void client.close().then(closed);
    await vi.advanceTimersByTimeAsync(3_100);
    expect(closed).toHaveBeenCalledOnce();
  });

  it('can be switched off, each kind or both', async () => {
    const kinds = async (exposures: boolean, outcomes: boolean): Promise<number[]> => {
      const reporting = await report(undefined, { report: { exposures, outcomes } });
      once(reporting.client);
      reporting.client.track('checkout', { targetingKey: 'user-1' }).ok();
      await reporting.client.flush();
      return [reporting.exposures.length, reporting.outcomes.length];
    };
    expect(await kinds(true, false)).toEqual([1, 0]);
    expect(await kinds(false, true)).toEqual([0, 1]);
    expect(await kinds(false, false)).toEqual([0, 0]);
    expect(() => createClient({ url: 'http://x', sdkKey: 'k', report: { intervalMs: 0 } })).toThrow(
      'report: expected options',
    );
  });
});
