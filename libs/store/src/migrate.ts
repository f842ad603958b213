import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { MixedList } from 'typeorm';
import { createDataSource } from './data-source.js';

/** Any constant serves, as long as every replica of every release uses the same. */
const LOCK = 4_201_871_553;

export type MigrateOptions = {
  /** A session connection: an advisory lock does not survive a transaction pooler. */
  readonly url: string;
  readonly migrations: MixedList<Function>;
  /** How long to wait for another replica that migrates; default 5 minutes. */
  readonly timeoutMs?: number;
};

/**
 * Brings the schema up to date and answers the names of the steps that ran. Any number of replicas may call it at once: one runs
 * the steps, the others wait. The lock is polled, since a waiting one would deadlock with CREATE INDEX CONCURRENTLY.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const client = new pg.Client({
    connectionString: options.url,
    connectionTimeoutMillis: 10_000,
    application_name: 'fledge-migrate',
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await acquireLock(client, options.timeoutMs ?? 300_000);
    return await runSteps(options);
  } finally {
    await client.end();
  }
}

async function acquireLock(client: pg.Client, timeoutMs: number): Promise<void> {
  for (let waited = 0; ; waited += 200) {
    const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [LOCK]);
    if (rows[0]?.held) return;
    if (waited >= timeoutMs) {
      throw new Error(
        `Another process has been migrating the database for ${timeoutMs / 1000} s. Look for its session in pg_stat_activity.`,
      );
    }
    await sleep(200);
  }
}

async function runSteps(options: MigrateOptions): Promise<string[]> {
  const dataSource = createDataSource({ url: options.url, migrations: options.migrations, poolSize: 2 });
  await dataSource.initialize();
  try {
    return (await dataSource.runMigrations()).map((step) => step.name);
  } finally {
    await dataSource.destroy();
  }
}
