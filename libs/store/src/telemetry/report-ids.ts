import type { Tx } from '../transaction.js';

/** A report as it came: whose it is, and the id under which it is counted once. */
export type Received = { readonly environmentId: number; readonly id: string };

/**
 * Takes the ids of those reports that were never counted, for good when the transaction commits. Answers them, each once, and the
 * database's clock in epoch milliseconds. Ids are taken in their order: who takes the same ones waits and goes without.
 */
export async function claimReports<T extends Received>(
  tx: Tx,
  reports: readonly T[],
): Promise<{ readonly fresh: readonly T[]; readonly now: number }> {
  const rows = await tx.query<{ environmentId: number; id: string; now: number }[]>(
    `INSERT INTO telemetry_report (environment_id, id)
     SELECT * FROM unnest($1::int[], $2::text[]) AS given (environment_id, id) ORDER BY 1, 2
     ON CONFLICT DO NOTHING
     RETURNING environment_id AS "environmentId", id, extract(epoch FROM clock_timestamp())::float8 * 1000 AS now`,
    [reports.map(({ environmentId }) => environmentId), reports.map(({ id }) => id)],
  );
  const taken = new Set(rows.map(keyOf));
  // Of two that carry one id the first is counted.
  return { fresh: reports.filter((report) => taken.delete(keyOf(report))), now: rows[0]?.now ?? 0 };
}

const keyOf = ({ environmentId, id }: Received): string => `${environmentId} ${id}`;
