import type { ChangeRow } from './entities/change.entity.js';
import { DomainError } from './errors.js';

/** What cannot be taken back, and what to do instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  'token.revoked': 'a token that has ended stays so; make a new one',
  'token.rotated': 'the token ends with its grace; revoke the one that took over, or make another',
  'webhook.deleted': 'its secret is gone with it; make it anew, and give its receiver the new secret',
  'webhook.rotated': 'the secret before is given up; rotate once more for another',
  'webhook.sent': 'what was sent has arrived',
  'rollout.scheduled': 'cancel the rollout',
  'rollout.paused': 'resume the rollout',
  'rollout.resumed': 'pause the rollout',
  'rollout.verdict': 'a verdict is replaced by the next one of its source, and ends with its ttl',
  'rollout.cancelled': 'a rollout that is over stays so; start another one',
  'rollout.completed': 'a rollout that is over stays so; edit the flag, or start another one',
  'rollout.rolled_back': 'a rollout that is over stays so; start another one',
};
const ROLLOUT = 'a rollout is steered by its own commands; pause it, jump to another stage, roll it back or cancel it';

/** What undoing would do, if it could, is done by a command of its own; undefined where undoing can. */
export const wayInstead = ({ action, subjectType }: Pick<ChangeRow, 'action' | 'subjectType'>): string | undefined =>
  subjectType === 'targeting' ? undefined : (INSTEAD[action] ?? (subjectType === 'rollout' ? ROLLOUT : undefined));

export const notRevertable = ({ id, action }: ChangeRow, why: string): DomainError =>
  new DomainError('not_revertable', `Change ${id} (${action}) cannot be undone: ${why}.`);
