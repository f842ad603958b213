import { randomUUID } from 'node:crypto';
import { EMPTY_ARM, mergeArms, type Arm, type ArmSums, type OutcomeReport, type Window } from '@fledge/canary';
import { createDataSource, READ_AFTER_MS, readWindows, seenOf } from '@fledge/store';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startApi, type Client, type TestApi } from '../support/api.js';
import { plantRollout, type PlantedRollout } from '../support/planted-rollout.js';
import { sql } from '../support/sql.js';

let api: TestApi;
let dataSource: DataSource;
let sdk: Client;
let rollout: PlantedRollout;

beforeAll(async () => {
  api = await startApi();
  dataSource = await createDataSource({ url: api.databaseUrl }).initialize();
  sdk = api.as(await api.sdkKey());
  for (const key of ['checkout', 'banner']) await api.admin.post('/projects/default/flags', { key, type: 'boolean' });
});
afterAll(async () => {
  await dataSource.destroy();
  await api.stop();
});
beforeEach(async () => {
  await sql(api.databaseUrl, `DELETE FROM rollout`);
  rollout = await plantRollout(api.databaseUrl, { earlier: [3] });
});

const groups = (...counts: number[]): number[] => Array.from({ length: 64 }, (_, group) => counts[group] ?? 0);

/** What one process saw of an arm: `n` requests of as many units, `k` of which failed. */
const seen = (n: number, k: number): ArmSums => ({
  first: { n, groups: groups(n) },
  metrics: {
    errors: { n, k, a: n, f: k, r: n, g: k, N: groups(n), K: groups(k) },
    latency: {
      n,
      k: 0,
      a: n,
      f: 0,
      r: n,
      g: 0,
      N: groups(n),
      K: groups(0),
      lnms: [n, 2, n],
      sketch: { o: 100, c: [n] },
    },
  },
});

const reportOf = (items: readonly (ArmSums & { arm: Arm; epoch?: number; rollout?: string })[]): OutcomeReport => ({
  v: 1,
  id: randomUUID(),
  instance: 'process-1',
  ageMs: 0,
  spanMs: 10_000,
  dropped: 0,
  items: items.map((item) => ({ rollout: rollout.id, epoch: rollout.epoch, ...item })),
});

/** Reads what a decider would, as if the windows had ended. */
const read = async (inMs = 60_000): Promise<readonly Window[]> =>
  dataSource.transaction(async (tx) => {
    const [row] = await tx.query<{ now: Date }[]>('SELECT clock_timestamp() AS now');
    const now = new Date((row?.now.getTime() ?? 0) + inMs);
    return readWindows(tx, { id: rollout.id, plan: { window: '30s' } }, now);
  });

/** All windows of an epoch together: a test may run over the end of one. */
const together = (windows: readonly Window[], epoch: number, arm: Arm): ArmSums =>
  windows.filter((window) => window.epoch === epoch).reduce((sums, window) => mergeArms(sums, window[arm]), EMPTY_ARM);

describe('a report of outcomes', () => {
  it('is in the window in which it came, both arms and all metrics', async () => {
    const answer = await sdk.post(
      '/sdk/v1/outcomes',
      reportOf([
        { arm: 'canary', ...seen(4, 1) },
        { arm: 'baseline', ...seen(9, 2) },
      ]),
    );
    expect({ status: answer.status, body: answer.body as unknown }).toEqual({
      status: 202,
      body: { counted: 2, isRepeated: false },
    });
    const [window, ...more] = await read();
    expect(more).toEqual([]);
    expect(window).toEqual({
      epoch: rollout.epoch,
      start: expect.any(Number) as number,
      canary: seen(4, 1),
      baseline: seen(9, 2),
    });
    expect(Number(window?.start) % 30_000).toBe(0);
  });

  it('is merged with those of other processes and replicas', async () => {
    const replica = await startApi({}, { url: api.databaseUrl, drop: () => Promise.resolve() });
    try {
      const other = replica.as(await api.sdkKey());
      const reports = Array.from({ length: 40 }, (_, i) =>
        reportOf([{ arm: i % 4 === 0 ? 'canary' : 'baseline', ...seen(i, i % 3) }]),
      );
      await Promise.all(
        reports.map((report, i) => (i % 2 === 0 ? sdk : other).post('/sdk/v1/outcomes', report).expect(202)),
      );
      const windows = await read();
      for (const arm of ['canary', 'baseline'] as const) {
        const expected = reports.flatMap(({ items }) => items.filter((item) => item.arm === arm));
        const { first, metrics } = together(windows, rollout.epoch, arm);
        expect(first.n).toBe(expected.reduce((sum, item) => sum + item.first.n, 0));
        expect(metrics['errors']?.k).toBe(expected.reduce((sum, item) => sum + (item.metrics['errors']?.k ?? 0), 0));
        expect(metrics['errors']?.N[0]).toBe(first.n);
        expect(metrics['latency']?.lnms?.[0]).toBe(first.n);
        expect(metrics['latency']?.sketch).toEqual({ o: 100, c: [first.n] });
      }
    } finally {
      await replica.stop();
    }
  });

  it('is counted once, however often and to whichever replica it is sent', async () => {
    const replica = await startApi({}, { url: api.databaseUrl, drop: () => Promise.resolve() });
    try {
      const other = replica.as(await api.sdkKey());
      const report = reportOf([{ arm: 'canary', ...seen(5, 2) }]);
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? sdk : other).post('/sdk/v1/outcomes', report).expect(202)),
      );
      const counted = answers.map(({ body }) => body as { counted: number; isRepeated: boolean });
      expect(counted.filter(({ isRepeated }) => !isRepeated)).toEqual([{ counted: 1, isRepeated: false }]);
      expect(together(await read(), rollout.epoch, 'canary')).toEqual(seen(5, 2));
    } finally {
      await replica.stop();
    }
  });

  it('goes to the next window when its own was read meanwhile', async () => {
    await sdk.post('/sdk/v1/outcomes', reportOf([{ arm: 'canary', ...seen(3, 0) }])).expect(202);
    const early = await read(60_000);
    await sdk.post('/sdk/v1/outcomes', reportOf([{ arm: 'canary', ...seen(7, 1) }])).expect(202);
    const late = await read(120_000);
    expect(together(early, rollout.epoch, 'canary')).toEqual(seen(3, 0));
    expect(together(late, rollout.epoch, 'canary')).toEqual(seen(7, 1));
    expect(Number(late[0]?.start)).toBeGreaterThan(Number(early.at(-1)?.start));
  });

  it('waits for a decider that is reading its window, and is not in what that one read', async () => {
    await sdk.post('/sdk/v1/outcomes', reportOf([{ arm: 'baseline', ...seen(3, 0) }])).expect(202);
    let sent: Promise<unknown> = Promise.resolve();
    const early = await dataSource.transaction(async (tx) => {
      const windows = await readWindows(tx, { id: rollout.id, plan: { window: '30s' } }, new Date(Date.now() + 60_000));
      sent = sdk
        .post('/sdk/v1/outcomes', reportOf([{ arm: 'baseline', ...seen(8, 0) }]))
        .expect(202)
        .then(() => 0);
      await isBlocked();
      return windows;
    });
    await sent;
    expect(together(early, rollout.epoch, 'baseline')).toEqual(seen(3, 0));
    expect(together(await read(120_000), rollout.epoch, 'baseline')).toEqual(seen(8, 0));
  });

  it('is not read before its window has been over for a while', async () => {
    await sdk.post('/sdk/v1/outcomes', reportOf([{ arm: 'canary', ...seen(1, 0) }])).expect(202);
    expect(await read(-READ_AFTER_MS)).toEqual([]);
    expect(together(await read(), rollout.epoch, 'canary')).toEqual(seen(1, 0));
  });

  it('makes windows of an earlier epoch for what that one still sees', async () => {
    await sdk
      .post(
        '/sdk/v1/outcomes',
        reportOf([
          { arm: 'canary', ...seen(2, 0) },
          { arm: 'canary', ...seen(6, 1), epoch: 3 },
        ]),
      )
      .expect(202);
    const windows = await read();
    expect(together(windows, 3, 'canary')).toEqual(seen(6, 1));
    expect(together(windows, rollout.epoch, 'canary')).toEqual(seen(2, 0));
  });

  it('says nothing about rollouts and epochs that its environment does not have', async () => {
    const elsewhere = api.as(await api.sdkKey('development'));
    const items = [
      { arm: 'canary' as const, ...seen(1, 0), epoch: 4 },
      { arm: 'canary' as const, ...seen(1, 0), rollout: randomUUID() },
      { arm: 'canary' as const, ...seen(1, 0), rollout: "'; DROP TABLE rollout" },
    ];
    const unknown = await sdk.post('/sdk/v1/outcomes', reportOf(items)).expect(202);
    const foreign = await elsewhere.post('/sdk/v1/outcomes', reportOf([{ arm: 'canary', ...seen(9, 9) }])).expect(202);
    expect(unknown.body).toEqual({ counted: 0, isRepeated: false });
    expect(foreign.body).toEqual({ counted: 0, isRepeated: false });
    expect(await read()).toEqual([]);
  });

  it('tells which processes still serve an earlier epoch', async () => {
    const from = (instance: string, ...epochs: number[]): OutcomeReport => ({
      ...reportOf(epochs.map((epoch) => ({ arm: 'canary', ...seen(1, 0), epoch }))),
      instance,
    });
    await sdk.post('/sdk/v1/outcomes', from('behind', 3)).expect(202);
    await sdk.post('/sdk/v1/outcomes', from('ahead', rollout.epoch, 3)).expect(202);
    const [early, late] = await dataSource.transaction(async (tx) => [
      await seenOf(tx, rollout),
      await seenOf(tx, { id: rollout.id, epoch: 6 }),
    ]);
    expect(early).toEqual({ instances: 2, onEpoch: 1, oldestEpoch: 3 });
    expect(late).toEqual({ instances: 2, onEpoch: 0, oldestEpoch: 3 });
  });

  it('does not take an id from another environment', async () => {
    const report = reportOf([{ arm: 'canary', ...seen(3, 1) }]);
    await api
      .as(await api.sdkKey('development'))
      .post('/sdk/v1/outcomes', report)
      .expect(202);
    const { body } = await sdk.post('/sdk/v1/outcomes', report).expect(202);
    expect(body).toEqual({ counted: 1, isRepeated: false });
  });
});

/** Resolves when somebody waits for a lock in this database. */
async function isBlocked(): Promise<void> {
  for (let waited = 0; waited < 500; waited += 1) {
    const rows = await sql(
      api.databaseUrl,
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    if (rows.length > 0) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  throw new Error('nobody waits');
}

describe('a report of exposures', () => {
  const exposures = (items: readonly { flag: string; variant: string | null; n: number }[]) => ({
    ...reportOf([]),
    items,
  });
  const chart = async (flag: string, query = '') =>
    (await api.admin.get(`/projects/default/environments/production/flags/${flag}/exposures${query}`).expect(200))
      .body as { every: string; items: { from: string; variants: Record<string, number>; default: number }[] };
  const sum = (items: readonly { variants: Record<string, number>; default: number }[]) =>
    items.reduce(
      (total, { variants, default: none }) => ({
        on: total.on + (variants['on'] ?? 0),
        off: total.off + (variants['off'] ?? 0),
        default: total.default + none,
      }),
      { on: 0, off: 0, default: 0 },
    );

  it('is counted once per flag, variant and minute, and can be looked at', async () => {
    const report = exposures([
      { flag: 'checkout', variant: 'on', n: 12 },
      { flag: 'checkout', variant: 'off', n: 30 },
      { flag: 'checkout', variant: null, n: 2 },
      { flag: 'banner', variant: 'on', n: 1 },
      { flag: 'unknown', variant: 'on', n: 1 },
      { flag: 'checkout', variant: 'unknown', n: 1 },
    ]);
    await sdk.post('/sdk/v1/exposures', report).expect(202);
    await sdk.post('/sdk/v1/exposures', report).expect(202);
    await sdk.post('/sdk/v1/exposures', exposures([{ flag: 'checkout', variant: 'on', n: 5 }])).expect(202);
    const { every, items } = await chart('checkout');
    expect(every).toBe('minute');
    expect(sum(items)).toEqual({ on: 17, off: 30, default: 2 });
    expect(sum((await chart('banner')).items)).toEqual({ on: 1, off: 0, default: 0 });
    expect(items.every(({ from }) => Date.parse(from) % 60_000 === 0)).toBe(true);
  });

  it('goes from minutes to hours with age, and both are in a chart by hour', async () => {
    await sql(
      api.databaseUrl,
      `INSERT INTO exposure_minute (environment_id, flag_id, started_at, variant, n)
       SELECT 2, flag.id, date_trunc('hour', now()) - interval '30 hours' + m * interval '1 minute', 'on', 10
       FROM flag, generate_series(0, 119) AS m WHERE key = 'banner'`,
    );
    const hours = new Date(Date.now() - 40 * 3_600_000).toISOString();
    const before = await chart('banner', `?from=${hours}`);
    const { cleanUpTelemetry } = await import('@fledge/store');
    await cleanUpTelemetry(dataSource);
    const after = await chart('banner', `?from=${hours}`);
    expect(before.every).toBe('hour');
    expect(after.items).toEqual(before.items);
    expect(after.items.slice(0, 2).map(({ variants }) => variants)).toEqual([{ on: 600 }, { on: 600 }]);
    const [{ left } = { left: -1 }] = await sql<{ left: number }>(
      api.databaseUrl,
      `SELECT count(*)::int AS left FROM exposure_minute WHERE started_at < now() - interval '26 hours'`,
    );
    expect(left).toBe(0);
  });

  it('is looked at for a range that makes sense', async () => {
    const path = '/projects/default/environments/production/flags/checkout/exposures';
    const statuses: number[] = [];
    for (const query of [
      '?from=2026-11-25T10:00:00Z&to=2026-11-25T09:00:00Z',
      '?from=2026-11-01T10:00:00Z&to=2026-11-25T09:00:00Z&every=minute',
      '?from=2020-11-01T10:00:00Z',
      '?from=yesterday',
      '?every=second',
    ]) {
      statuses.push((await api.admin.get(path + query)).status);
    }
    statuses.push((await api.admin.get(path.replace('checkout', 'missing'))).status);
    expect(statuses).toEqual([400, 400, 400, 400, 400, 404]);
  });
});

describe('what is no report of an SDK', () => {
  const good = (): OutcomeReport => reportOf([{ arm: 'canary', ...seen(2, 1) }]);

  it('needs an SDK key', async () => {
    const { body: client } = await api.admin
      .post('/tokens', { name: 'web', kind: 'client', project: 'default', environment: 'production' })
      .expect(201);
    const callers = [undefined, 'fledge_sdk_unknown', (client as { token: string }).token, ADMIN_TOKEN];
    for (const path of ['/sdk/v1/outcomes', '/sdk/v1/exposures']) {
      const answers = await Promise.all(callers.map((token) => api.as(token).post(path, good())));
      expect(answers.map(({ status }) => status)).toEqual([401, 401, 403, 403]);
    }
  });

  it('is refused with every problem named', async () => {
    const report = { ...good(), v: 2, id: 'a\0b', dropped: -1, extra: true };
    const answer = await sdk.post('/sdk/v1/outcomes', report).expect(422);
    const pointers = (answer.body as { errors: { pointer: string }[] }).errors.map(({ pointer }) => pointer);
    expect(pointers.toSorted()).toEqual(['/dropped', '/extra', '/id', '/v']);
    const exposures = await sdk
      .post('/sdk/v1/exposures', { ...reportOf([]), items: [{ flag: '', variant: 1, n: 1e300 }] })
      .expect(422);
    expect((exposures.body as { errors: { pointer: string }[] }).errors.map(({ pointer }) => pointer)).toEqual([
      '/items/0/flag',
      '/items/0/variant',
      '/items/0/n',
    ]);
    await sdk.post('/sdk/v1/outcomes', { ...good(), ageMs: 300_001 }).expect(422);
    await sdk.post('/sdk/v1/outcomes', []).expect(422);
    await sdk.post('/sdk/v1/outcomes').expect(422);
  });

  it('is refused when it is over 256 KiB', async () => {
    const answer = await sdk.post('/sdk/v1/outcomes', { ...good(), instance: 'x'.repeat(262_144) }).expect(413);
    expect(answer.body).toMatchObject({ code: 'body_too_large' });
    await sdk.post('/sdk/v1/outcomes', { ...good(), instance: 'x'.repeat(250_000) }).expect(422);
  });

  it('takes no other report with it', async () => {
    const hostile = [
      reportOf([{ arm: 'canary', ...seen(1, 0), rollout: '\ud800' }]),
      { ...good(), instance: '\ud800' },
      { ...good(), items: [{ ...good().items[0], metrics: { __proto__: null, constructor: {} } }] },
      { ...good(), items: [{ ...good().items[0], epoch: 2 ** 40 }] },
    ];
    const answers = await Promise.all([
      sdk.post('/sdk/v1/outcomes', good()),
      ...hostile.map((report) => sdk.post('/sdk/v1/outcomes', report)),
      sdk.post('/sdk/v1/outcomes', good()),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 422, 422, 202, 202]);
    expect(together(await read(), rollout.epoch, 'canary').first.n).toBe(4);
  });
});
