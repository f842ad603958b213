import type { DataSource } from 'typeorm';
import { read } from './transaction.js';

/** Forgets what is kept for a time only. Any replica may call it at any time. */
export async function cleanUp(dataSource: DataSource): Promise<void> {
  await read(() => dataSource.query(`DELETE FROM idempotency WHERE created_at < now() - interval '24 hours'`));
}

/** Whether the database answers, and whether its schema is the one this release was made for. */
export async function probe(dataSource: DataSource): Promise<{ migrated: boolean }> {
  await read(() => dataSource.query('SELECT 1 FROM environment_change LIMIT 1'));
  return { migrated: !(await dataSource.showMigrations()) };
}
