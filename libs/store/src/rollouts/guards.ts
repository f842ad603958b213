import { gatesAhead, type Plan } from '@fledge/canary';
import type { Actor } from '../actor.js';
import type { RolloutRow } from '../entities/rollout.entity.js';
import { DomainError, refuseProblems } from '../errors.js';
import { illegal } from './commands.js';
import { checksOf } from './document.js';

/** Reasons of a hold that promise trouble; a promotion over one of them says why. */
const TROUBLE = new Set([
  'arms_differ',
  'sample_ratio',
  'no_data',
  'reports_missing',
  'not_instrumented',
  'learning',
  'guardrail_hold',
]);

/** The approval gates before the stage after one of them. */
const approvalsAhead = (plan: Plan, stage: number) =>
  gatesAhead(plan, stage).filter((gate) => gate.type === 'approval');

/** The first stage that a step to a later one (`to`) leaves behind without the approval that it asks for. */
function unapproved({ plan, stage, phase, approvals }: RolloutRow, to: number): number | undefined {
  const isApproved = phase !== 'warmup' && approvals.length > 0;
  const left = plan.stages.flatMap(({ percentage }, index) =>
    index >= stage && index < to && percentage < 100 ? [index] : [],
  );
  return left.find((index) => approvalsAhead(plan, index).length > 0 && !(index === stage && isApproved));
}

/**
 * Guards a person's step to a later stage (`to`; past the last one to everybody): never over a guardrail at its limit or a missing
 * approval; over anything else that is not clean with a comment. Answers the guardrails that only warn from then on.
 * @throws DomainError `guardrail_failed`, `approval_missing`, `invalid`
 */
export function refusePromotion(rollout: RolloutRow, by: Actor, to: number): readonly number[] {
  const failing = checksOf(rollout).filter(
    ({ verdict, guardrail }) => verdict === 'fail' && !rollout.overridden.includes(guardrail),
  );
  const fatal = failing.find(({ action }) => action === 'rollback');
  if (fatal !== undefined)
    throw new DomainError(
      'guardrail_failed',
      `The guardrail "${fatal.name}" is at its limit and cannot be overridden.`,
      {
        guardrail: fatal.guardrail,
      },
    );
  const waiting = unapproved(rollout, to);
  if (waiting !== undefined)
    throw new DomainError(
      'approval_missing',
      waiting === rollout.stage && rollout.phase !== 'warmup'
        ? 'This stage is left with an approval only; approve it first.'
        : `Stage ${waiting} is left with an approval only; go there, and approve it first.`,
    );
  const unclean = failing.length > 0 || rollout.reasons.some((reason) => TROUBLE.has(reason));
  if (unclean && by.comment === undefined) {
    const why = [...failing.map(({ name }) => name), ...rollout.reasons].join(', ');
    refuseProblems([
      {
        pointer: '/comment',
        code: 'missing',
        message: `Expected a reason for going on over what is not clean: ${why}.`,
      },
    ]);
  }
  return failing.map(({ guardrail }) => guardrail);
}

/** @throws DomainError `illegal_transition` when nothing waits for an approval, `four_eyes` for who started the rollout */
export function refuseApproval(rollout: RolloutRow, by: Actor): void {
  const ahead = approvalsAhead(rollout.plan, rollout.stage);
  if (ahead.length === 0) throw illegal(rollout, `Stage ${rollout.stage} is left without an approval.`);
  if (ahead.some(({ fourEyes }) => fourEyes) && rollout.startedBy.id === by.id)
    throw new DomainError('four_eyes', 'Somebody else than who started the rollout has to approve.');
}
