import type { RolloutDocument } from '@fledge/store';
import type { Test } from 'supertest';
import type { Client, TestApi } from './api.js';

/** Where rollouts of production are. */
export const ROLLOUTS = '/projects/default/environments/production/rollouts';

/** Two stages of a minute, without a warm-up, that a few requests are enough for. */
export const SHORT_PLAN = {
  stages: [
    { percentage: 10, minBake: '1m', minSamples: { requests: 20, units: 5 } },
    { percentage: 50, minBake: '1m', minSamples: { requests: 20, units: 5 } },
    { percentage: 100 },
  ],
  guardrails: [{ metric: 'errors' }],
  warmup: '0s',
  watch: '0s',
  window: '10s',
};

/** Makes a boolean flag that is enabled in production and gives everybody `off`. */
export async function makeFlag(api: TestApi, key: string): Promise<void> {
  await api.admin.post('/projects/default/flags', { key, type: 'boolean' }).expect(201);
  const path = `/projects/default/environments/production/flags/${key}`;
  const off = { enabled: true, offVariant: 'off', prerequisites: [], rules: [], fallthrough: { variant: 'off' } };
  await api.admin.put(path, off).set('if-match', '*').expect(200);
}

/** Starts a rollout of a new flag. */
export async function startRollout(api: TestApi, flag: string, more: object = {}): Promise<RolloutDocument> {
  await makeFlag(api, flag);
  return (await api.admin.post(ROLLOUTS, { flag, canary: 'on', plan: SHORT_PLAN, ...more }).expect(201))
    .body as RolloutDocument;
}

/** Asks something of a rollout, by its id or `key:` and its external key, whatever its version is. */
export const steer = (client: Client, rollout: string, command: string, body: object = {}): Test =>
  client.post(`${ROLLOUTS}/${rollout}/${command}`, body).set('if-match', '*');

/** Makes what the rollout routes of `ROUTES` name: rollouts by external key in every state, the plan `short` and the webhook `chat`, which is sent nothing. */
export async function prepareRollouts(api: TestApi): Promise<void> {
  const [first, ...others] = SHORT_PLAN.stages;
  const approved = { ...SHORT_PLAN, stages: [{ ...first, gates: [{ type: 'approval' }] }, ...others] };
  await api.admin.post('/projects/default/rollout-plans', { key: 'short', plan: SHORT_PLAN }).expect(201);
  const chat = { key: 'chat', url: 'https://hooks.example.com/chat', enabled: false };
  await api.admin.post('/projects/default/webhooks', chat).expect(201);
  await startRollout(api, 'live', { externalKey: 'live', plan: approved });
  await steer(api.admin, 'key:live', 'approve').expect(200);
  await startRollout(api, 'paused', { externalKey: 'paused' });
  await steer(api.admin, 'key:paused', 'pause').expect(200);
  await startRollout(api, 'warm', { externalKey: 'warm', plan: { ...SHORT_PLAN, warmup: '10m' } });
  await startRollout(api, 'over', { externalKey: 'over' });
  await steer(api.admin, 'key:over', 'rollback').expect(200);
}
