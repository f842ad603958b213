import { gatesAhead } from '@fledge/canary';
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

/** The approval gates before the next stage. */
const approvalsAhead = ({ plan, stage }: RolloutRow) =>
  gatesAhead(plan, stage).filter((gate) => gate.type === 'approval');

/**
 * Guards a person's step to a later stage: never over a guardrail at its limit or a missing approval; over anything else that is
 * not clean with a comment. Answers the guardrails that only warn from then on.
 * @throws DomainError `guardrail_failed`, `approval_missing`, `invalid`
 */
export function refusePromotion(rollout: RolloutRow, by: Actor): readonly number[] {
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
  if (approvalsAhead(rollout).length > 0 && rollout.phase !== 'warmup' && rollout.approvals.length === 0)
    throw new DomainError('approval_missing', 'This stage is left with an approval only; approve it first.');
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
  const ahead = approvalsAhead(rollout);
  if (ahead.length === 0) throw illegal(rollout, `Stage ${rollout.stage} is left without an approval.`);
  if (ahead.some(({ fourEyes }) => fourEyes) && rollout.startedBy.id === by.id)
    throw new DomainError('four_eyes', 'Somebody else than who started the rollout has to approve.');
}
