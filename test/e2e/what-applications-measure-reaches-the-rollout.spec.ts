import { EMPTY_ARM, mergeArms, type Arm, type ArmSums } from '@fledge/canary';
import { createDataSource, readWindows } from '@fledge/store';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startApi, type TestApi } from '../support/api.js';
import { lossyProxy } from '../support/lossy-proxy.js';
import { plantRollout, type PlantedRollout } from '../support/planted-rollout.js';
import { sdkProcesses, type SdkProcesses } from '../support/sdk-process.js';
import { removeDirectory, startService, temporaryDirectory, type Service } from '../support/service.js';

/** The two replicas: one of them in a process of its own, which can be killed. */
let api: TestApi;
let victim: Service;
let dataSource: DataSource;
let folder: string;
let key: string;
let rollout: PlantedRollout;
let processes: SdkProcesses;

beforeAll(async () => {
  api = await startApi();
  folder = await temporaryDirectory();
  victim = await startService(folder, { DATABASE_URL: api.databaseUrl, FLEDGE_ADMIN_TOKEN: ADMIN_TOKEN });
  processes = await sdkProcesses();
  await api.admin.post('/projects/default/flags', { key: 'checkout', type: 'boolean' }).expect(201);
  key = await api.sdkKey();
  rollout = await plantRollout(api.databaseUrl);
  dataSource = await createDataSource({ url: api.databaseUrl }).initialize();
}, 180_000);
afterAll(async () => {
  await dataSource.destroy();
  await victim.stop();
  await processes.remove();
  await removeDirectory(folder);
  await api.stop();
});

/** What a process prints of one arm: exposed units, requests and failures. */
type Told = Record<Arm, { readonly first: number; readonly n: number; readonly k: number; readonly a: number }>;

/** 40 users who come five times each; every seventh visit fails. It prints what it did, by arm, when all of it was sent. */
const visits = (url: string, from: number): string => `
  const client = createClient({ url: '${url}', sdkKey: '${key}', report: { intervalMs: 100 } });
  await client.ready({ timeoutMs: 10_000 });
  // What measures is loaded beside the snapshot, and calls before it are missed; this waits for it.
  await client.flush();
  const told = { canary: { first: 0, n: 0, k: 0, a: 0 }, baseline: { first: 0, n: 0, k: 0, a: 0 } };
  for (let visit = 0; visit < 200; visit++) {
    const context = { targetingKey: 'user-' + (${from} + visit % 40) };
    const fails = visit % 7 === 0;
    const arm = client.evaluate('checkout', context, false).metadata.arm;
    const code = async () => { if (fails) throw new Error('broken'); };
    await client.run('checkout', context, { on: code, off: code }).catch(() => undefined);
    told[arm].n++;
    told[arm].k += Number(fails);
    told[arm].first += Number(visit < 40);
    if (visit % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (let tries = 0; tries < 50; tries++) {
    await client.flush();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await client.close();
  console.log(JSON.stringify(told));`;

/** What the windows hold by now, of whichever time: read as a decider would when they are over. */
async function inWindows(): Promise<Record<Arm, ArmSums>> {
  const windows = await dataSource.transaction((tx) =>
    readWindows(tx, { id: rollout.id, plan: { window: '30s' } }, new Date(Date.now() + 600_000)),
  );
  const sumOf = (arm: Arm): ArmSums => windows.reduce((sums, window) => mergeArms(sums, window[arm]), EMPTY_ARM);
  return { canary: sumOf('canary'), baseline: sumOf('baseline') };
}

const expectExactly = (sums: Record<Arm, ArmSums>, ...told: readonly Told[]): void => {
  for (const arm of ['canary', 'baseline'] as const) {
    const total = (field: 'first' | 'n' | 'k'): number => told.reduce((sum, each) => sum + each[arm][field], 0);
    const { first, metrics } = sums[arm];
    expect({
      arm,
      first: first.n,
      n: metrics['errors']?.n,
      k: metrics['errors']?.k,
      durations: metrics['latency']?.lnms?.[0],
    }).toEqual({
      arm,
      first: total('first'),
      n: total('n'),
      k: total('k'),
      durations: total('n'),
    });
    expect(total('n')).toBeGreaterThan(0);
  }
};

describe('what applications measure', () => {
  it('is in the windows of two processes and two replicas, exactly', async () => {
    const told = await Promise.all([processes.run(visits(api.url, 0)), processes.run(visits(victim.url, 1_000))]);
    expectExactly(await inWindows(), ...(told as Told[]));
  });

  it('is counted once when answers get lost on the way and a replica is killed meanwhile', async () => {
    const proxy = await lossyProxy([victim.url, api.url]);
    try {
      const running = processes.run(visits(proxy.url, 2_000));
      await proxy.lost(2);
      victim.process.kill('SIGKILL');
      await proxy.lost(4);
      proxy.loseNothing();
      proxy.useOnly(api.url);
      const told = (await running) as Told;
      expectExactly(await inWindows(), told);
      expect(api.runtime.telemetry.totals.repeated).toBeGreaterThan(0);
    } finally {
      await proxy.stop();
    }
  });
});
