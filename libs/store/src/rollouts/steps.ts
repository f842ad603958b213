import { enterEpoch, markedMetrics, milliseconds, startEvidence, type NewEpoch } from '@fledge/canary';
import type { Measure } from '@fledge/evaluation';
import type { RolloutRow } from '../entities/rollout.entity.js';
import type { Targeting } from '../entities/targeting.entity.js';
import { completedTargeting, keptTargeting, ownRule, takenBack, withoutMark, withoutRule, withRule } from './rule.js';
import type { Moment, RolloutEventType, Step } from './step.js';
import { nextCheck } from './tick-clock.js';

/** Why a step is taken: an event's name, a stable reason and a sentence with figures. */
export type Why = { readonly event: RolloutEventType; readonly reason?: string; readonly detail?: string };

/** What a new stage forgets of the old one. */
const FRESH_STAGE = {
  bakedMs: 0,
  approvals: [],
  gates: {},
  gateDueAt: null,
  gateLease: null,
  reasons: [],
} as const;

/** What an end leaves to do: nothing. */
const OVER = { phase: null, nextCheckAt: null, watchUntil: null, gateDueAt: null, gateLease: null } as const;

function markOf(rollout: RolloutRow, percentage: number, { epoch }: Moment): Measure {
  const { id, canary, baseline, plan, evidence } = rollout;
  return {
    rollout: id,
    epoch,
    canary,
    baseline,
    percentage,
    metrics: evidence === null ? markedMetrics(plan) : markedMetrics(plan, evidence),
  };
}

/** The share of the audience that a stage gives the canary. */
export const percentageOf = ({ plan }: Pick<RolloutRow, 'plan'>, stage: number): number =>
  plan.stages[stage]?.percentage ?? 0;

const hasWarmup = ({ plan }: RolloutRow): boolean => milliseconds(plan.warmup) > 0;

/** The start: the rule is written, at 0 % while both arms warm up, else at the first stage. */
export function startStep(rollout: RolloutRow, why: Why, enable: boolean): Step {
  const warm = hasWarmup(rollout);
  const first = percentageOf(rollout, 0);
  const percentage = warm ? 0 : first;
  return {
    ...why,
    targeting: (current, at) => {
      const written = withRule(
        current,
        ownRule(rollout, percentage, markOf({ ...rollout, evidence: null }, first, at)),
        rollout.position,
      );
      // Nobody has seen the fallthrough of a disabled flag, so that it may become the baseline.
      return enable && !current.enabled
        ? { ...written, enabled: true, fallthrough: { variant: rollout.baseline } }
        : written;
    },
    patch: ({ now, epoch }) => ({
      ...FRESH_STAGE,
      state: 'running',
      phase: warm ? 'warmup' : 'baking',
      stage: 0,
      percentage,
      evidence: startEvidence(rollout.plan, {
        epoch,
        now: now.getTime(),
        at: warm ? 'warmup' : { stage: 0 },
      }),
      startedAt: now,
      lastTickAt: now,
      nextCheckAt: nextCheck(rollout, now),
    }),
  };
}

/** On to a stage, forward or back; one of 100 completes the rollout. A paused rollout stays paused there. */
export function stageStep(rollout: RolloutRow, stage: number, why: Why): Step {
  const percentage = percentageOf(rollout, stage);
  if (percentage === 100) return completeStep(rollout, stage, why);
  return {
    ...why,
    targeting: (current, at) =>
      withRule(current, ownRule(rollout, percentage, markOf(rollout, percentage, at)), rollout.position),
    patch: ({ now, epoch }) => ({
      ...FRESH_STAGE,
      phase: 'baking',
      stage,
      percentage,
      evidence: entered(rollout, { epoch, now: now.getTime(), at: { stage } }),
      lastTickAt: now,
      nextCheckAt: nextCheck(rollout, now),
    }),
  };
}

/** The same stage again under a new epoch, because the mark has to say more: what counts as slow has been learned. */
export function remarkStep(rollout: RolloutRow, why: Why): Step {
  const { stage, percentage } = rollout;
  return {
    ...why,
    targeting: (current, at) =>
      withRule(current, ownRule(rollout, percentage, markOf(rollout, percentage, at)), rollout.position),
    patch: ({ now, epoch }) => ({ evidence: entered(rollout, { epoch, now: now.getTime(), at: { stage } }) }),
  };
}

/** A new draw in the warm-up: nobody has been served anything yet, and the warm-up begins anew. */
export function reshuffleStep(rollout: RolloutRow, salt: string, why: Why): Step {
  const drawn = { ...rollout, salt };
  const step = startStep(drawn, why, false);
  return { ...step, patch: (at) => ({ ...step.patch(at), salt, state: rollout.state, startedAt: rollout.startedAt }) };
}

/** The end that was hoped for. With absolute limits in the plan the mark stays on while they are watched. */
export function completeStep(
  rollout: RolloutRow,
  stage: number,
  why: Why,
  percentage = percentageOf(rollout, stage),
): Step {
  const watchMs = rollout.plan.guardrails.some(({ kind }) => kind === 'limit') ? milliseconds(rollout.plan.watch) : 0;
  const marked = (at: Moment): Measure | undefined => (watchMs > 0 ? markOf(rollout, percentage, at) : undefined);
  return {
    ...why,
    targeting: (current, at) => completedOrKept(current, rollout, percentage, marked(at)),
    patch: ({ now, epoch }) => ({
      ...OVER,
      ...FRESH_STAGE,
      state: 'completed',
      stage,
      percentage,
      endedAt: now,
      lastTickAt: now,
      ...(watchMs > 0
        ? {
            watchUntil: new Date(now.getTime() + watchMs),
            nextCheckAt: nextCheck(rollout, now),
            evidence: entered(rollout, { epoch, now: now.getTime(), at: 'watch' }),
          }
        : {}),
    }),
  };
}

/** What completion at this percentage leaves of the targeting; `measure` keeps the mark on. */
export function completedOrKept(
  current: Targeting,
  rollout: RolloutRow,
  percentage: number,
  measure: Measure | undefined,
): Targeting {
  if (percentage === 100) return completedTargeting(current, rollout, measure);
  return withRule(current, ownRule(rollout, percentage, measure), rollout.position);
}

/** The watch ends: what completion left stays, without the mark. */
export const watchEndStep = (rollout: RolloutRow, why: Why): Step => ({
  ...why,
  targeting: (current) => withoutMark(current, rollout.id),
  patch: () => ({ ...OVER, state: 'completed' }),
});

/** The way back after completion: what it left goes, the audience gets the baseline. */
export const takeBackStep = (rollout: RolloutRow, why: Why, reasons: readonly string[]): Step => ({
  ...rollbackStep(rollout, why, reasons),
  targeting: (current) => takenBack(current, rollout),
});

/** The way back: the rule goes, everybody gets the baseline, nothing else of the flag changes. */
export const rollbackStep = (rollout: RolloutRow, why: Why, reasons: readonly string[]): Step => ({
  ...why,
  targeting: (current) => withoutRule(current, rollout.ruleId),
  patch: ({ now }) => ({ ...OVER, state: 'rolled_back', percentage: 0, reasons, endedAt: now }),
});

/** What a cancelled rollout leaves behind. */
export type Keep = 'current' | 'baseline' | 'canary';

/** An end that nobody judged: the rule stays as an ordinary one, goes, or becomes the canary for everybody. */
export function cancelStep(rollout: RolloutRow, keep: Keep, why: Why, reason: string): Step {
  const kept = keep === 'current' && rollout.percentage === 0 ? 'baseline' : keep;
  const percentage = { current: rollout.percentage, baseline: 0, canary: 100 }[kept];
  const over = ({ now }: Moment): Partial<RolloutRow> => ({
    ...OVER,
    state: 'cancelled',
    percentage,
    reasons: [reason],
    endedAt: now,
  });
  if (rollout.state === 'scheduled') return { ...why, patch: over };
  return {
    ...why,
    patch: over,
    targeting: (current) => {
      if (kept === 'baseline') return withoutRule(current, rollout.ruleId);
      if (kept === 'canary') return completedTargeting(current, rollout, undefined);
      return keptTargeting(current, rollout, percentage);
    },
  };
}

const entered = ({ plan, evidence }: RolloutRow, epoch: NewEpoch) =>
  evidence === null ? startEvidence(plan, epoch) : enterEpoch(plan, evidence, epoch);
