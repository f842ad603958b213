import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@fledge/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceClient } from '../support/service-client.js';
import { removeDirectory, startService, temporaryDirectory, type Service } from '../support/service.js';

let directory: string;
let service: Service;
let sdkKey: string;
let admin: ServiceClient;

beforeAll(async () => {
  directory = await temporaryDirectory();
  service = await startService(join(directory, 'data'));
  const secrets = JSON.parse(await readFile(join(directory, 'data', 'secrets.json'), 'utf8')) as {
    readonly adminToken: string;
    readonly sdkKeys: { readonly production: string };
  };
  sdkKey = secrets.sdkKeys.production;
  admin = new ServiceClient(service.url, secrets.adminToken);
}, 120_000);

afterAll(async () => {
  await service.stop();
  await removeDirectory(directory);
});

type Shown = { readonly state: string; readonly progress: string; readonly stage: number };

/** Half of everybody for ten seconds, then everybody. */
const PLAN = {
  stages: [{ percentage: 50, minBake: '10s', minSamples: { requests: 20, units: 5 } }, { percentage: 100 }],
  guardrails: [{ metric: 'errors' }],
  warmup: '0s',
  watch: '0s',
  window: '10s',
};

const ROLLOUTS = '/projects/default/environments/production/rollouts';

const start = async (flag: string): Promise<string> => {
  await admin.makeFlags(flag);
  const request = { flag, canary: 'on', baseline: 'off', enable: true, plan: PLAN };
  return (await admin.must('POST', ROLLOUTS, request)).body.id as string;
};

const rollout = async (id: string): Promise<Shown> => (await admin.must('GET', `${ROLLOUTS}/${id}`)).body as Shown;

const users = Array.from({ length: 300 }, (_, index) => ({ targetingKey: `user-${index}` }));

describe('a rollout, with the service and an application under load', { timeout: 150_000 }, () => {
  it('goes back to the baseline by itself when the canary fails, and completes when it does not', async () => {
    const [bad, good] = [await start('bad-checkout'), await start('good-checkout')];
    const flags = createClient({
      url: service.url,
      sdkKey,
      report: { intervalMs: 1_000 },
    });
    await flags.ready({ timeoutMs: 10_000 });
    const fails = (): never => {
      throw new Error('the new checkout is broken');
    };
    const works = (): string => 'done';
    let turn = 0;
    const load = setInterval(() => {
      const user = users[(turn += 1) % users.length] ?? {};
      void Promise.resolve()
        .then(() => flags.run('bad-checkout', user, { on: fails, off: works }))
        .catch(() => undefined);
      void flags.run('good-checkout', user, { on: works, off: works });
    }, 5);
    try {
      await expect
        .poll(async () => (await rollout(bad)).state, { timeout: 120_000, interval: 500 })
        .not.toBe('running');
      await expect
        .poll(async () => (await rollout(good)).state, { timeout: 120_000, interval: 500 })
        .not.toBe('running');
    } finally {
      clearInterval(load);
    }
    expect(await rollout(bad)).toMatchObject({ state: 'rolled_back', stage: 0 });
    expect(await rollout(good)).toMatchObject({ state: 'completed' });
    const on = (flag: string): number => users.filter((user) => flags.boolean(flag, user, false)).length;
    await expect.poll(() => [on('bad-checkout'), on('good-checkout')]).toEqual([0, users.length]);
    expect((await admin.must('GET', '/metrics')).body).toMatch(/fledge_rollouts\{state="rolled_back"\} 1/);
    await flags.close();
  });
});
