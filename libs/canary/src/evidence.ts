import { milliseconds } from './duration.js';
import type { MeanEvidence } from './mean.js';
import { NO_MEAN, addMean } from './mean.js';
import type { Guardrail, Plan } from './plan.js';
import type { PointEvidence } from './point.js';
import { NO_POINT, addPoint } from './point.js';
import type { RatioEvidence } from './sample-ratio.js';
import { NO_RATIO, addRatio } from './sample-ratio.js';
import { plannedShare } from './share.js';
import { EMPTY_SUMS } from './sums.js';
import type { Window } from './sums.js';
import { addTested, isTested, learn, startTested } from './tested.js';
import type { TestedEvidence } from './tested.js';
import { NO_TRAFFIC, addTraffic } from './traffic.js';
import type { TrafficEvidence } from './traffic.js';

export type GuardrailEvidence = TestedEvidence | MeanEvidence | PointEvidence;

/**
 * All that a rollout has learned so far, as JSON: kept with the rollout, so that a restart changes nothing. To others than
 * this package it is one opaque value that comes from `startEvidence` and goes through `enterEpoch` and `observe`.
 */
export type Evidence = {
  readonly format: 1;
  /** Over so many blocks half of the start weight is spread. */
  readonly horizon: number;
  readonly phase: 'warmup' | 'baking' | 'watch';
  /** Counts from 0; 0 in the warm-up. */
  readonly stage: number;
  /** The epoch that counts now and since when (ms), the first one of this stage, and the first one that is no warm-up. */
  readonly epoch: number;
  readonly epochSince: number;
  readonly stageFrom: number;
  readonly bakingFrom: number | null;
  /** One for each guardrail of the plan, in its order. */
  readonly guardrails: readonly GuardrailEvidence[];
  readonly ratio: RatioEvidence;
  readonly traffic: TrafficEvidence;
  /** What an operator took note of; holds for this epoch. */
  readonly acknowledged: readonly Alarm[];
};

/** What an operator may take note of: the arms differ before anything is served, or do not get their shares. */
export type Alarm = 'arms_differ' | 'sample_ratio';

/** A change of the rule: from `now` on (ms) reports carry this epoch. Stages count from 0. */
export type NewEpoch = {
  readonly epoch: number;
  readonly now: number;
  readonly at: 'warmup' | 'watch' | { readonly stage: number };
};

const LEAST_HORIZON = 360;

/** No evidence yet for one guardrail, from this epoch on. */
export function startGuardrail(guardrail: Guardrail, epoch: number): GuardrailEvidence {
  if (isTested(guardrail)) return startTested(guardrail, epoch);
  return guardrail.kind === 'mean' ? NO_MEAN : NO_POINT;
}

/** No evidence yet: for a rollout whose rule was just written, or written with a new salt. */
export function startEvidence(plan: Plan, { epoch, now, at }: NewEpoch): Evidence {
  const bakes = plan.stages.reduce((sum, { minBake }) => sum + milliseconds(minBake), 0);
  return {
    format: 1,
    horizon: Math.max(LEAST_HORIZON, Math.ceil(bakes / milliseconds(plan.window))),
    phase: typeof at === 'string' ? at : 'baking',
    stage: typeof at === 'string' ? 0 : at.stage,
    epoch,
    epochSince: now,
    stageFrom: epoch,
    bakingFrom: at === 'warmup' ? null : epoch,
    guardrails: plan.guardrails.map((guardrail) => startGuardrail(guardrail, epoch)),
    ratio: NO_RATIO,
    traffic: NO_TRAFFIC,
    acknowledged: [],
  };
}

/** The planned share of the canary now; 1 in the watch. */
export function shareNow(plan: Plan, { phase, stage }: Evidence): number {
  return phase === 'watch' ? 1 : plannedShare(plan.stages[stage]?.percentage ?? 100);
}

function observeGuardrail(
  plan: Plan,
  evidence: Evidence,
  index: number,
  window: Window,
): GuardrailEvidence | undefined {
  const guardrail = plan.guardrails[index];
  const known = evidence.guardrails[index];
  if (guardrail === undefined || known === undefined) return known;
  const { epoch } = window;
  const canary = window.canary.metrics[guardrail.metric] ?? EMPTY_SUMS;
  const baseline = window.baseline.metrics[guardrail.metric] ?? EMPTY_SUMS;
  // Blocks of the warm-up never enter a guardrail's E, however late they come; in the watch only limits go on.
  if (epoch < (evidence.bakingFrom ?? 0)) return known;
  if (evidence.phase === 'watch' && guardrail.kind !== 'limit') return known;
  if (known.kind === 'mean' && guardrail.kind === 'mean')
    return evidence.phase === 'warmup' ? known : addMean(guardrail, known, canary.lnms, baseline.lnms, plan.alpha);
  if (known.kind === 'point' && guardrail.kind === 'limit' && guardrail.test === 'point')
    return evidence.phase === 'warmup' ? known : addPoint(guardrail, known, canary);
  if (known.kind !== 'tested' || !isTested(guardrail)) return known;
  if (known.since === null) return learn(known, baseline);
  if (epoch < known.since) return known;
  const asked = plan.stages[evidence.stage]?.evidence ?? 'none';
  return addTested(guardrail, known, {
    canary,
    baseline,
    horizon: evidence.horizon,
    warmup: evidence.phase === 'warmup',
    ofStage: epoch >= evidence.stageFrom,
    proof: asked !== 'none' && 'proven' in asked ? asked.proven : null,
  });
}

/**
 * The evidence with a window more. Pure and restart-safe: windows are given once each, in the order in which they were
 * read. Windows of earlier epochs count as evidence, never for samples or freshness.
 */
export function observe(plan: Plan, evidence: Evidence, window: Window): Evidence {
  const share = shareNow(plan, evidence);
  const current = window.epoch === evidence.epoch;
  const { canary, baseline, start } = window;
  return {
    ...evidence,
    guardrails: evidence.guardrails.map((known, index) => observeGuardrail(plan, evidence, index, window) ?? known),
    ratio: current && share < 1 ? addRatio(evidence.ratio, canary.first, baseline.first, start, share) : evidence.ratio,
    traffic: addTraffic(evidence.traffic, window, {
      windowMs: milliseconds(plan.window),
      share,
      current,
    }),
  };
}
