import { durationText, milliseconds } from '@fledge/canary';
import type { RolloutRow } from '../entities/rollout.entity.js';
import { isHeldBack } from './commands.js';

const count = new Intl.NumberFormat('en');

/** What the current stage has seen of the canary. */
export const samplesOf = ({ evidence }: RolloutRow): { readonly requests: number; readonly units: number } => ({
  requests: evidence?.traffic.requests ?? 0,
  units: evidence?.traffic.units ?? 0,
});

/** Where a rollout stands, in one line for people. */
export function progressText(row: RolloutRow): string {
  const { state, phase, percentage, canary, baseline } = row;
  const why = [row.reasons.join(', '), ...(row.detail === null ? [] : [row.detail])].join(': ');
  const date = row.startAt?.toISOString() ?? 'its date';
  if (state === 'scheduled')
    return isHeldBack(row) ? `Paused: starts when resumed, at ${date} or later.` : `Starts at ${date}.`;
  if (state === 'completed') return `Completed: ${canary} for ${percentage} % of the audience.`;
  if (state === 'rolled_back') return `Rolled back: everybody gets ${baseline} again (${why}).`;
  if (state === 'cancelled') return `Cancelled (${why}).`;
  const paused = state === 'paused' ? 'Paused. ' : '';
  const waiting = row.reasons.length === 0 ? '' : ` Waiting: ${row.reasons.join(', ')}.`;
  if (phase === 'warmup')
    return `${paused}Warming up: ${durationText(row.bakedMs)} of ${row.plan.warmup}; nobody gets ${canary} yet.${waiting}`;
  return `${paused}${stageText(row)}${waiting}`;
}

function stageText(row: RolloutRow): string {
  const { plan, stage, percentage, bakedMs } = row;
  const { minBake = '0s', minSamples } = plan.stages[stage] ?? {};
  const baked = durationText(Math.min(bakedMs, milliseconds(minBake)));
  const samples = samplesOf(row);
  const figures = [
    `baked ${baked} of ${minBake}`,
    `${count.format(samples.requests)} of ${count.format(minSamples?.requests ?? 0)} requests`,
    `${count.format(samples.units)} of ${count.format(minSamples?.units ?? 0)} units`,
  ];
  return `Stage ${stage} of ${plan.stages.length - 1}, ${percentage} %: ${figures.join(', ')}.`;
}
