import type { Actor } from '../actor.js';
import type { RolloutRow } from '../entities/rollout.entity.js';
import type { Limits } from '../limits.js';
import { refuseReferenced } from '../references.js';
import { TryAgain, type Tx } from '../transaction.js';
import { placeOfRollout } from './find.js';
import { lockLiveRollouts, type LiveScope } from './live.js';
import { takeStep } from './step.js';
import { cancelStep } from './steps.js';

/** What is about to be taken away. */
type Taken = { readonly kind: string; readonly key: string };

/**
 * Locks the live rollouts of what is about to go, before anything else is locked. `force` lets them be ended with it.
 * @throws DomainError `referenced`, with every one of them, unless forced
 */
export async function lockRolloutsOf(
  tx: Tx,
  scope: LiveScope,
  what: Taken,
  force: boolean,
): Promise<readonly RolloutRow[]> {
  const live = await lockLiveRollouts(tx, scope);
  if (!force) refuseLive(live, what);
  return live;
}

/** The same for who holds other locks already and does not wait. @throws DomainError `referenced` */
export async function refuseLiveRollouts(tx: Tx, scope: LiveScope, what: Taken): Promise<void> {
  refuseLive(await lockLiveRollouts(tx, scope, false), what);
}

function refuseLive(live: readonly RolloutRow[], { kind, key }: Taken): void {
  const references = live.map(({ id, state }) => ({ rollout: id, state }));
  refuseReferenced(kind, key, references, 'has live rollouts (end them, or send force)');
}

/**
 * Ends the locked rollouts, each with the baseline for everybody. The environments must be locked by now.
 * @throws TryAgain when another one lives now than was locked
 */
export async function endRollouts(
  tx: Tx,
  by: Actor,
  scope: LiveScope,
  locked: readonly RolloutRow[],
  limits: Limits,
): Promise<void> {
  const now = await lockLiveRollouts(tx, scope, false);
  if (now.map(({ id }) => id).join() !== locked.map(({ id }) => id).join())
    throw new TryAgain('A rollout has come or gone meanwhile.');
  for (const rollout of locked) {
    const why = { event: 'cancelled', reason: 'archived', detail: 'What it was for was taken away.' } as const;
    const place = await placeOfRollout(tx, rollout, true);
    await takeStep(tx, by, place, rollout, cancelStep(rollout, 'baseline', why, 'archived'), limits);
  }
}
