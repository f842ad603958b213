import type { DataSource } from 'typeorm';
import { read } from './transaction.js';

/**
 * Forgets what is kept for a time only: answers of repeatable requests after a day, messages that were delivered after a week, and
 * whatever became of the others after a month. Of a rollout's ticks that are older than a month those stay that did something or held
 * for another reason than the one before, and one an hour: their sums go from the beginning, so that none is missing in what is left.
 * Any replica may call it at any time.
 */
export async function cleanUp(dataSource: DataSource): Promise<void> {
  for (const statement of STATEMENTS) await read(() => dataSource.query(statement));
}

const STATEMENTS = [
  `DELETE FROM idempotency WHERE created_at < now() - interval '24 hours'`,
  `DELETE FROM webhook_delivery WHERE created_at < now() - CASE state WHEN 'delivered' THEN interval '7 days' ELSE interval '30 days' END`,
  `DELETE FROM rollout_decision USING (
     SELECT rollout_decision.id, decision,
            row_number() OVER (PARTITION BY rollout_id, date_trunc('hour', at, 'UTC') ORDER BY rollout_decision.id DESC) AS later,
            rollout_decision.reasons IS DISTINCT FROM
              lag(rollout_decision.reasons) OVER (PARTITION BY rollout_id ORDER BY rollout_decision.id) AS is_news
     FROM rollout_decision JOIN rollout ON rollout.id = rollout_id
     WHERE rollout.created_at < now() - interval '30 days' AND at < now() - interval '30 days'
   ) AS old WHERE rollout_decision.id = old.id AND old.decision = 'hold' AND later > 1 AND NOT is_news`,
];

/** Whether the database answers, and whether its schema is the one this release was made for. */
export async function probe(dataSource: DataSource): Promise<{ migrated: boolean }> {
  await read(() => dataSource.query('SELECT 1 FROM environment_change LIMIT 1'));
  return { migrated: !(await dataSource.showMigrations()) };
}
