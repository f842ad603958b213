import { forecast, type StageForecast, type Traffic } from '@fledge/canary';
import type { Problem } from '@fledge/evaluation';
import type { RolloutRow } from '../entities/rollout.entity.js';
import type { Tx } from '../transaction.js';

/** What each stage can expect, and what a start is warned of. */
export type Outlook = { readonly forecast: readonly StageForecast[]; readonly warnings: readonly Problem[] };

const count = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/**
 * What a rollout can expect, from how often its flag served the baseline here in the last hour: an upper bound where its audience is
 * a part of those. Units are not known before a rollout measures them.
 */
export async function outlookOf(
  tx: Tx,
  rollout: Pick<RolloutRow, 'environmentId' | 'flagId' | 'baseline' | 'plan'>,
): Promise<Outlook> {
  const traffic = await recentTraffic(tx, rollout);
  const stages = forecast(rollout.plan, traffic);
  if (traffic.requests > 0)
    return { forecast: stages, warnings: stages.filter(({ tooFew }) => tooFew).map(tooFewOf(rollout)) };
  const message = `Nobody was served "${rollout.baseline}" in the last hour, so that nothing can be said of what the stages will see.`;
  return { forecast: stages, warnings: [{ pointer: '/flag', code: 'no_traffic', message }] };
}

/** By the database's clock, over the time since the first exposure of the last hour, a minute at least. */
async function recentTraffic(
  tx: Tx,
  { environmentId, flagId, baseline }: Pick<RolloutRow, 'environmentId' | 'flagId' | 'baseline'>,
): Promise<Traffic> {
  const rows = await tx.query<{ n: number; ms: number }[]>(
    `SELECT coalesce(sum(n), 0)::float8 AS n,
            greatest(coalesce(extract(epoch FROM clock_timestamp() - min(started_at)), 0), 60)::float8 * 1000 AS ms
     FROM exposure_minute
     WHERE environment_id = $1 AND flag_id = $2 AND variant = $3 AND started_at > clock_timestamp() - interval '1 hour'`,
    [environmentId, flagId, baseline],
  );
  const [{ n, ms } = { n: 0, ms: 1 }] = rows;
  return { requests: n / ms, units: null };
}

const tooFewOf =
  ({ plan }: Pick<RolloutRow, 'plan'>) =>
  ({ stage, percentage, expected }: StageForecast): Problem => {
    const { minBake, maxBake, minSamples } = plan.stages[stage] ?? {};
    const wanted = `${count.format(minSamples?.requests ?? 0)} are asked for within ${maxBake ?? ''}`;
    return {
      pointer: `/plan/stages/${stage}/minSamples`,
      code: 'too_few',
      message: `Stage ${stage} at ${percentage} % can expect ${count.format(expected.requests)} requests in ${minBake ?? ''}; ${wanted}.`,
    };
  };
