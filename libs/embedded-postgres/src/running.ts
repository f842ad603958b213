import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { USER } from './initdb.js';
import { layoutOf } from './layout.js';
import { readState } from './state.js';

/** Reaches the cluster that another process of this host runs on the data directory; undefined when there never was one. */
export async function urlOfRunning(dataDir: string, database = 'fledge'): Promise<string | undefined> {
  const real = await realpath(resolve(dataDir)).catch(() => undefined);
  const state = real === undefined ? undefined : await readState(layoutOf(real).state);
  if (state?.port === undefined) return undefined;
  return `postgres://${USER}:${state.password}@127.0.0.1:${state.port}/${encodeURIComponent(database)}`;
}
