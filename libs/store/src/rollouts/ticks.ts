import { iso } from '../documents.js';
import type { RolloutCheckRow } from '../entities/rollout-check.entity.js';
import type { Tx } from '../transaction.js';

/** What one guardrail said at one tick. */
export type RolloutCheck = Omit<RolloutCheckRow, 'decisionId' | 'decision'>;

/** How the guardrails stood at a tick. Their sums go from the beginning, so that what lies between two ticks is a difference. */
export type RolloutTick = { readonly at: string; readonly checks: readonly RolloutCheck[] };

/** The checks of the decision `part` of a query, as JSON. */
export const CHECKS = `(SELECT jsonb_agg(jsonb_build_object('guardrail', guardrail, 'name', name, 'logE', log_e, 'logLimit', log_limit,
                                            'canary', canary, 'control', control, 'verdict', verdict) ORDER BY guardrail)
                        FROM rollout_check WHERE decision_id = part.id) AS checks`;

/** A picture has no room for more. */
const MOST_TICKS = 240;

/** Ticks of a rollout in order: all of them, or every so many-th and the last. */
export async function ticksOf(tx: Tx, rollout: string): Promise<readonly RolloutTick[]> {
  const rows = await tx.query<{ at: Date; checks: RolloutCheck[] | null }[]>(
    `SELECT at, ${CHECKS}
     FROM (SELECT id, at, row_number() OVER (ORDER BY id DESC) - 1 AS later, count(*) OVER () AS count
           FROM rollout_decision WHERE rollout_id = $1) AS part
     WHERE later % ceil(count / $2::float8)::bigint = 0 ORDER BY id`,
    [rollout, MOST_TICKS],
  );
  return rows.map(({ at, checks }) => ({ at: iso(at), checks: checks ?? [] }));
}
