import type { Actor } from '../actor.js';
import { actorName } from '../actor.js';
import { appendChange } from '../change-log.js';
import { RolloutEventRow } from '../entities/rollout-event.entity.js';
import { RolloutRow } from '../entities/rollout.entity.js';
import type { Targeting } from '../entities/targeting.entity.js';
import type { Limits } from '../limits.js';
import type { Cause } from '../scope.js';
import { changeTargeting, type ChangedTargeting, type Located } from '../targeting-change.js';
import { updateRow, type Tx } from '../transaction.js';
import { announce } from '../webhooks/outbox.js';
import { ROLLOUT_CHANNEL } from './channel.js';
import { rolloutRecord } from './document.js';

/** What can happen to a rollout; every one is an event. */
export const ROLLOUT_EVENTS = [
  'scheduled',
  'started',
  'warmed_up',
  'learned',
  'advanced',
  'held',
  'continued',
  'inconclusive',
  'awaiting_gate',
  'awaiting_approval',
  'gate_opened',
  'approved',
  'paused',
  'resumed',
  'promoted',
  'jumped',
  'acknowledged',
  'verdict',
  'completed',
  'watch_ended',
  'rolled_back',
  'cancelled',
] as const;

export type RolloutEventType = (typeof ROLLOUT_EVENTS)[number];

/** When a step is taken: the database's time, and the epoch that begins if it writes the rule. */
export type Moment = { readonly now: Date; readonly epoch: number };

/** One transition: what the row becomes, and what becomes of the rule. */
export type Step = {
  readonly event: RolloutEventType;
  /** Stable; scripts branch on it. */
  readonly reason?: string;
  /** The reason in a sentence with figures. */
  readonly detail?: string;
  readonly patch: (at: Moment) => Partial<RolloutRow>;
  /** The targeting after it; absent: the rule stays as it is. */
  readonly targeting?: (current: Targeting, at: Moment) => Targeting;
  /** What the change log calls it; default `rollout.<event>`. */
  readonly action?: string;
} & Cause;

export type Stepped = { readonly rollout: RolloutRow; readonly targeting: ChangedTargeting | undefined };

/** The database's time, after whatever was waited for: the only clock that counts. */
export async function clock(tx: Tx): Promise<Date> {
  const rows = await tx.query<{ now: Date }[]>('SELECT clock_timestamp() AS now');
  return rows[0]?.now ?? new Date(Number.NaN);
}

/**
 * Takes one step: the rule, the row, the event and the change in the log, all or nothing. The rollout and its environment must be
 * locked. A new rule is a new epoch.
 */
export async function takeStep(
  tx: Tx,
  by: Actor,
  place: Located,
  rollout: RolloutRow,
  step: Step,
  limits: Limits,
  now?: Date,
): Promise<Stepped> {
  // A person says why in words of his own; the reconciler's words are the step's.
  const why = by.kind === 'service' ? { ...by, comment: step.detail } : by;
  const action = step.action ?? `rollout.${step.event}`;
  const at: Moment = { now: now ?? (await clock(tx)), epoch: place.environment.snapshotVersion + 1 };
  const targeting =
    step.targeting === undefined
      ? undefined
      : await changeTargeting(
          tx,
          why,
          place,
          { action, reverts: step.reverts },
          step.targeting(place.row.document, at),
          limits,
        );
  const next: RolloutRow = {
    ...rollout,
    detail: step.detail ?? null,
    ...step.patch(at),
    ...(targeting?.changed === true ? { epoch: at.epoch } : {}),
    version: rollout.version + 1,
    updatedAt: at.now,
  };
  await updateRow(tx, RolloutRow, { id: rollout.id }, columnsOf(next));
  await recordEvent(tx, by, next, step, at.now);
  if (targeting?.changed !== true) {
    await appendChange(tx, why, {
      action,
      project: place.owner,
      subject: { type: 'rollout', key: rollout.id },
      environment: place.environment.key,
      before: rolloutRecord(rollout, place),
      after: rolloutRecord(next, place),
    });
  }
  return { rollout: next, targeting };
}

/** Appends an event, with what is to be sent of it, and wakes who waits for it. */
export async function recordEvent(
  tx: Tx,
  by: Actor,
  rollout: RolloutRow,
  step: Pick<Step, 'event' | 'reason' | 'detail'>,
  at: Date,
): Promise<void> {
  const { id, state, phase, stage, percentage, epoch } = rollout;
  const event = {
    at,
    type: step.event,
    state,
    phase,
    stage,
    percentage,
    epoch,
    reason: step.reason ?? null,
    detail: step.detail ?? null,
    comment: by.comment ?? null,
    actor: actorName(by),
  };
  const inserted = await tx.insert(RolloutEventRow, { rolloutId: id, ...event });
  await announce(tx, rollout, { id: String(inserted.identifiers[0]?.['id']), ...event, at: at.toISOString() });
  await tx.query(`SELECT pg_notify($1, $2)`, [ROLLOUT_CHANNEL, id]);
}

/** The columns alone: relations that were loaded are not written. */
export function columnsOf(row: RolloutRow): Partial<RolloutRow> {
  const { id: _, project: __, environment: ___, flag: ____, ...columns } = row;
  return columns;
}
