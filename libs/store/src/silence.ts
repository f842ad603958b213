import pg from 'pg';
import type { DataSource } from 'typeorm';

/** Longer than a statement of a write may take (transaction.ts). */
const SILENCE_MS = 15_000;

/**
 * Ends pooled connections that are in use and bring no byte for so long (15 s): a network that forgot a connection tells nobody, and
 * who waits for it would wait for ever. The idle ones, which the same network carries, are ended with it. Who waited is told that the
 * database cannot be reached. To be called once, when the source is initialised.
 */
export function endSilentConnections(dataSource: DataSource, silenceMs = SILENCE_MS): void {
  const pool: unknown = 'master' in dataSource.driver ? dataSource.driver.master : undefined;
  if (!(pool instanceof pg.Pool)) throw new Error('Expected a data source that is initialised, with a pool of pg.');
  /** Idle connections have no timer. */
  const timers = new Map<pg.ClientBase, NodeJS.Timeout | undefined>();
  const stopTimer = (client: pg.ClientBase): void => clearTimeout(timers.get(client));
  const onSilence = (silent: pg.ClientBase): void => {
    const error = unreachable(silenceMs);
    for (const [client, timer] of timers)
      if (client === silent || timer === undefined) streamOf(client)?.destroy(error);
  };
  pool.on('connect', (client) => {
    streamOf(client)?.on('data', () => timers.get(client)?.refresh());
  });
  pool.on('acquire', (client) => {
    stopTimer(client);
    timers.set(client, setTimeout(onSilence, silenceMs, client).unref());
  });
  pool.on('release', (_error, client) => {
    stopTimer(client);
    timers.set(client, undefined);
  });
  pool.on('remove', (client) => {
    stopTimer(client);
    timers.delete(client);
  });
}

const streamOf = (client: pg.ClientBase): pg.Connection['stream'] | undefined =>
  client instanceof pg.Client ? client.connection.stream : undefined;

const unreachable = (ms: number): Error =>
  Object.assign(new Error(`The database has not answered for ${ms / 1_000} s.`), { code: 'ETIMEDOUT' });
