import type { Problem } from '@fledge/evaluation';
import { In } from 'typeorm';
import { RolloutRow, type RolloutState } from '../entities/rollout.entity.js';
import { DomainError } from '../errors.js';
import type { Located } from '../targeting-change.js';
import { TryAgain, type Tx } from '../transaction.js';

/**
 * The one order of locks: the queue of (flag, environment), its live rollout, then the environment, then the targeting. Whoever writes a flag
 * locks its live rollout first, locks the environment, and looks again: a rollout that came meanwhile is a reason to begin anew.
 */

/** The states in which a rollout holds the place of its flag in its environment. */
export const LIVE_STATES = ['scheduled', 'running', 'paused'] as const satisfies readonly RolloutState[];

type Place = { readonly flag: { readonly id: number }; readonly environment: { readonly id: number } };

const where = ({ flag, environment }: Place) => ({
  flagId: flag.id,
  environmentId: environment.id,
  state: In([...LIVE_STATES]),
});

/**
 * Lets those who start a rollout of a flag and those who write its targeting come one after the other, in the order in which they came:
 * between the look for the live rollout and its lock no other start can take its place, so that the kill switch is not overtaken.
 */
export async function queueUp(tx: Tx, { flag, environment }: Place): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`rollout ${environment.id} ${flag.id}`]);
}

export async function findLiveRollout(tx: Tx, place: Place): Promise<RolloutRow | undefined> {
  return (await tx.findOne(RolloutRow, { where: where(place) })) ?? undefined;
}

/** Locks it until the transaction ends. Before the environment's lock, never after it. */
export async function lockLiveRollout(tx: Tx, place: Place): Promise<RolloutRow | undefined> {
  const lock = { mode: 'pessimistic_write' as const };
  return (await tx.findOne(RolloutRow, { where: where(place), lock })) ?? undefined;
}

/** A flag in every environment, an environment, or a project. */
export type LiveScope =
  { readonly flagId: number } | { readonly environmentId: number } | { readonly projectId: number };

/** Every live rollout there, locked in the order of their ids unless only looked at. */
export async function lockLiveRollouts(tx: Tx, scope: LiveScope, lock = true): Promise<RolloutRow[]> {
  return tx.find(RolloutRow, {
    where: { ...scope, state: In([...LIVE_STATES]) },
    order: { id: 'ASC' },
    ...(lock ? { lock: { mode: 'pessimistic_write' as const } } : {}),
  });
}

/** @throws TryAgain when another rollout than the one locked lives now that the environment is locked */
export async function refuseOvertaken(tx: Tx, place: Located, locked: RolloutRow | undefined): Promise<void> {
  const now = await findLiveRollout(tx, place);
  if (now?.id !== locked?.id) throw new TryAgain('A rollout of this flag has come or gone meanwhile.');
}

/** Whether the rollout holds the flag's targeting against other edits; one that waits for its date does not. */
export const isLocking = (rollout: RolloutRow | undefined): rollout is RolloutRow =>
  rollout !== undefined && rollout.state !== 'scheduled';

export const lockedProblem = (rollout: RolloutRow): Problem => ({
  pointer: '',
  code: 'rollout_live',
  message: `Expected no edit while the rollout ${rollout.id} is ${rollout.state}.`,
});

/** @throws DomainError `rollout_live` for an edit beside a rollout that runs or is paused */
export function refuseLocked(rollout: RolloutRow | undefined, unchanged: boolean): void {
  if (unchanged || !isLocking(rollout)) return;
  throw rolloutLive(rollout);
}

export const rolloutLive = (rollout: RolloutRow): DomainError =>
  new DomainError(
    'rollout_live',
    `The rollout ${rollout.id} of this flag is ${rollout.state}: end it first (promote, rollback or cancel), or disable the flag, which takes it back.`,
    { rollout: rollout.id, state: rollout.state },
  );
