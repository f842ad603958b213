import type { GuardrailCheck, Observation, Progress, Reason } from './decision.js';
import { figures, reason } from './reasons.js';

/** Step 1: what rolls back whatever the evidence says. */
export function orders({ killed, rollback, verdicts }: Observation): Reason[] {
  const found: Reason[] = [];
  if (killed) found.push(reason('kill_switch', 'The flag was disabled.'));
  if (rollback !== null) found.push(reason('manual', `Rolled back by ${rollback.by}: ${rollback.comment}`));
  for (const { source, verdict, reason: why } of verdicts)
    if (verdict === 'fail') found.push(reason('external_verdict', `${source} says fail: ${why}`));
  return found;
}

/** Step 2: the guardrails that roll back. The warm-up serves the canary to nobody and has nothing to take back. */
export function harm({ evidence }: Progress, checks: readonly GuardrailCheck[]): Reason[] {
  if (evidence.phase === 'warmup') return [];
  return checks
    .filter(({ action, verdict }) => action === 'rollback' && verdict === 'fail')
    .map((check) => reason(check.limit === null ? 'point_limit' : 'guardrail', figures(check), check.guardrail));
}
