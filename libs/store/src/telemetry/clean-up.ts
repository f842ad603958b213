import type { DataSource } from 'typeorm';
import { read } from '../transaction.js';

/**
 * Forgets telemetry by its age: ids of reports after a quarter of an hour (no SDK sends one for longer than five minutes), windows
 * after two days, processes after an hour, exposures after a month; minutes older than a day become hours. Any replica may call it
 * at any time.
 */
export async function cleanUpTelemetry(dataSource: DataSource): Promise<void> {
  for (const statement of STATEMENTS) await read(() => dataSource.query(statement));
}

const STATEMENTS = [
  `DELETE FROM telemetry_report WHERE received_at < now() - interval '15 minutes'`,
  `DELETE FROM outcome_window WHERE start < extract(epoch FROM now() - interval '2 days') * 1000`,
  `DELETE FROM outcome_instance WHERE seen_at < now() - interval '1 hour'`,
  // One statement: what is taken out of the minutes is in the hours, or neither is.
  `WITH old AS (
     DELETE FROM exposure_minute WHERE started_at < date_trunc('hour', now() - interval '1 day', 'UTC') RETURNING *
   )
   INSERT INTO exposure_hour (environment_id, flag_id, started_at, variant, n)
   SELECT environment_id, flag_id, date_trunc('hour', started_at, 'UTC'), variant, sum(n) FROM old GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
   ON CONFLICT ON CONSTRAINT exposure_hour_pkey DO UPDATE SET n = exposure_hour.n + excluded.n`,
  `DELETE FROM exposure_hour WHERE started_at < now() - interval '31 days'`,
];
