import { setTimeout as sleep } from 'node:timers/promises';
import type { Snapshot } from '@fledge/evaluation';
import type { TestApi } from './api.js';

const keys = new WeakMap<TestApi, Map<string, string>>();

/** What an SDK of an environment of project `default` is served, once the replica has heard of every write answered so far. */
export async function snapshotOf(api: TestApi, environment = 'production'): Promise<Snapshot> {
  const known = keys.get(api) ?? new Map<string, string>();
  keys.set(api, known);
  const key = known.get(environment) ?? (await api.sdkKey(environment));
  known.set(environment, key);
  const { body } = await api.admin.get(`/projects/default/environments/${environment}`).expect(200);
  for (;;) {
    const snapshot = (await api.as(key).get('/sdk/v1/snapshot').expect(200)).body as Snapshot;
    if (snapshot.version >= (body as { snapshotVersion: number }).snapshotVersion) return snapshot;
    await sleep(2);
  }
}
