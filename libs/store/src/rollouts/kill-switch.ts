import type { Actor } from '../actor.js';
import type { TargetingDocument } from '../documents.js';
import type { RolloutRow } from '../entities/rollout.entity.js';
import type { Limits } from '../limits.js';
import type { Cause } from '../scope.js';
import type { Located } from '../targeting-change.js';
import type { Tx } from '../transaction.js';
import { withFigures } from './document.js';
import { takeStep } from './step.js';
import { cancelStep, rollbackStep } from './steps.js';

/**
 * Disables a flag and ends its live rollout, in one change: the kill switch always wins. The flag stays disabled, the rule is gone; a
 * rollout that waits for its date does not turn the flag on again.
 */
export async function killSwitch(
  tx: Tx,
  by: Actor,
  place: Located,
  rollout: RolloutRow,
  limits: Limits,
  { reverts }: Cause = {},
): Promise<TargetingDocument> {
  const why = { reason: 'kill_switch', detail: withFigures('The flag was disabled', rollout) };
  const step =
    rollout.state === 'scheduled'
      ? cancelStep(rollout, 'baseline', { event: 'cancelled', ...why }, 'kill_switch')
      : rollbackStep(rollout, { event: 'rolled_back', ...why }, ['kill_switch']);
  const { targeting } = await takeStep(
    tx,
    by,
    place,
    rollout,
    {
      ...step,
      action: 'targeting.disabled',
      reverts,
      targeting: (current, at) => ({ ...(step.targeting?.(current, at) ?? current), enabled: false }),
    },
    limits,
  );
  if (targeting === undefined) throw new Error('Disabling a flag changes its targeting.');
  return { ...targeting.document, warnings: targeting.warnings };
}
