import type { DataSource } from 'typeorm';
import { read } from './transaction.js';

/**
 * Forgets what is kept for a time only: answers of repeatable requests after a day, messages that were delivered after a week, and
 * whatever became of the others after a month. Any replica may call it at any time.
 */
export async function cleanUp(dataSource: DataSource): Promise<void> {
  for (const statement of STATEMENTS) await read(() => dataSource.query(statement));
}

const STATEMENTS = [
  `DELETE FROM idempotency WHERE created_at < now() - interval '24 hours'`,
  `DELETE FROM webhook_delivery WHERE created_at < now() - CASE state WHEN 'delivered' THEN interval '7 days' ELSE interval '30 days' END`,
];

/** Whether the database answers, and whether its schema is the one this release was made for. */
export async function probe(dataSource: DataSource): Promise<{ migrated: boolean }> {
  await read(() => dataSource.query('SELECT 1 FROM environment_change LIMIT 1'));
  return { migrated: !(await dataSource.showMigrations()) };
}
