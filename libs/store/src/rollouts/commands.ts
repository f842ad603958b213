import type { RolloutRow, RolloutState } from '../entities/rollout.entity.js';
import { DomainError } from '../errors.js';

/** What a person or a script can ask of a rollout. */
export type RolloutCommand =
  'pause' | 'resume' | 'promote' | 'rollback' | 'cancel' | 'approve' | 'jump' | 'acknowledge' | 'retry';

const STEERING = ['promote', 'rollback', 'cancel', 'approve', 'jump', 'acknowledge'] as const;

const BY_STATE: Readonly<Record<RolloutState, readonly RolloutCommand[]>> = {
  scheduled: ['cancel'],
  running: ['pause', ...STEERING],
  paused: ['resume', ...STEERING],
  completed: [],
  rolled_back: ['retry'],
  cancelled: ['retry'],
};

/** Whether it waits for its date and shall not begin when that comes, but when somebody resumes it. */
export const isHeldBack = ({ state, reasons }: Pick<RolloutRow, 'state' | 'reasons'>): boolean =>
  state === 'scheduled' && reasons.includes('paused');

/** The commands that are legal in the state in which the rollout is. Nothing is approved before anything bakes. */
export const allowedCommands = (
  rollout: Pick<RolloutRow, 'state' | 'phase' | 'reasons'>,
): readonly RolloutCommand[] => [
  ...(isHeldBack(rollout) ? (['resume'] as const) : []),
  ...BY_STATE[rollout.state].filter((command) => command !== 'approve' || rollout.phase !== 'warmup'),
];

/** @throws DomainError `illegal_transition`, with the state and what is allowed */
export function refuseIllegal(rollout: RolloutRow, command: RolloutCommand): void {
  const allowed = allowedCommands(rollout);
  if (allowed.includes(command)) return;
  const { state, phase } = rollout;
  const offer = allowed.length === 0 ? 'nothing more can be asked of it' : `possible now: ${allowed.join(', ')}`;
  throw illegal(
    rollout,
    `The rollout is ${state}${phase === null ? '' : ` (${phase})`}, so that ${command} is not possible; ${offer}.`,
  );
}

/** The refusal of what the rollout is in no state for, with the state and what is allowed. */
export function illegal(rollout: RolloutRow, message: string): DomainError {
  const { state, phase, stage } = rollout;
  return new DomainError('illegal_transition', message, { state, phase, stage, allowed: allowedCommands(rollout) });
}
