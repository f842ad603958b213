import type { Decision } from '@fledge/canary';
import { isDeepStrictEqual } from 'node:util';
import type { RolloutRow } from '../entities/rollout.entity.js';
import type { Located } from '../targeting-change.js';
import { isLocking } from './live.js';
import { markOf } from './rule.js';
import type { Step } from './step.js';
import {
  completedOrKept,
  completeStep,
  rollbackStep,
  stageStep,
  takeBackStep,
  watchEndStep,
  type Why,
} from './steps.js';

/** Holds that somebody should know of; the others are the ordinary waiting of a stage. */
const TROUBLE: ReadonlySet<string> = new Set([
  'guardrail_hold',
  'arms_differ',
  'sample_ratio',
  'no_data',
  'reports_missing',
  'not_instrumented',
]);

/** What a decision does to the rule; undefined for a hold. */
export function stepFor(rollout: RolloutRow, decision: Decision): Step | undefined {
  const reason = decision.reasons[0]?.code ?? decision.action;
  const why = { reason, detail: decision.why };
  switch (decision.action) {
    case 'hold':
      return undefined;
    case 'rollback': {
      const reasons = [...new Set(decision.reasons.map(({ code }) => code))];
      const back = rollout.state === 'completed' ? takeBackStep : rollbackStep;
      return back(rollout, { event: 'rolled_back', ...why }, reasons);
    }
    case 'advance':
      return stageStep(rollout, decision.to ?? rollout.stage + 1, {
        event: rollout.phase === 'warmup' ? 'warmed_up' : 'advanced',
        ...why,
      });
    case 'complete':
      return completion(rollout, decision, why);
  }
}

function completion(rollout: RolloutRow, { to }: Decision, why: Omit<Why, 'event'>): Step {
  if (rollout.state === 'completed') return watchEndStep(rollout, { event: 'watch_ended', ...why });
  return to === null
    ? completeStep(rollout, rollout.stage, { event: 'completed', ...why })
    : stageStep(rollout, to, { event: 'completed', ...why });
}

/** What of a hold is worth an event: trouble that comes and goes, a stage that stays inconclusive, a gate that is waited for. */
export function eventsOfHold(
  before: RolloutRow,
  after: RolloutRow,
  decision: Decision,
): Pick<Step, 'event' | 'reason' | 'detail'>[] {
  const isNew = (code: string): boolean => !before.reasons.includes(code);
  const trouble = after.reasons.filter((code) => TROUBLE.has(code));
  const earlier = before.reasons.filter((code) => TROUBLE.has(code));
  const why = (codes: readonly string[]) => ({
    reason: codes.join(', '),
    detail: decision.reasons.find(({ code }) => codes.includes(code))?.message ?? decision.why,
  });
  return [
    ...(trouble.some(isNew) ? [{ event: 'held' as const, ...why(trouble) }] : []),
    ...(earlier.length > 0 && trouble.length === 0
      ? [{ event: 'continued' as const, reason: earlier.join(', '), detail: 'What held it is gone.' }]
      : []),
    ...(after.reasons.includes('inconclusive') && isNew('inconclusive')
      ? [{ event: 'inconclusive' as const, ...why(['inconclusive']) }]
      : []),
    ...(after.phase === 'awaiting_gate' && before.phase !== 'awaiting_gate'
      ? [{ event: 'awaiting_gate' as const, ...why(after.reasons) }]
      : []),
    ...(after.reasons.includes('awaiting_approval') && isNew('awaiting_approval')
      ? [{ event: 'awaiting_approval' as const, ...why(['awaiting_approval']) }]
      : []),
  ];
}

/**
 * The watch ends without taking anything back when what completion left was changed by hand meanwhile, or is what another rollout
 * (`live`) began from: the way back of that one leads there.
 */
export function watchChanged(
  rollout: RolloutRow,
  { row, flag }: Located,
  step: Step,
  live: RolloutRow | undefined,
): Step {
  const mark = markOf(row.document, rollout.id);
  const isAsLeft =
    flag.archivedAt === null &&
    mark !== undefined &&
    isDeepStrictEqual(completedOrKept(row.document, rollout, rollout.percentage, mark), row.document);
  if (isAsLeft && !isLocking(live)) return step;
  return watchEndStep(rollout, {
    event: 'watch_ended',
    reason: 'flag_changed',
    detail: isAsLeft ? 'Another rollout of the flag has begun.' : 'What completion left was changed by hand.',
  });
}
