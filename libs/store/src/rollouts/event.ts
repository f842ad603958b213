import type { ActorName } from '../actor.js';
import { iso } from '../documents.js';
import type { RolloutEventRow } from '../entities/rollout-event.entity.js';
import type { RolloutPhase, RolloutState } from '../entities/rollout.entity.js';

/** One transition of a rollout, and where it stood after it. */
export type RolloutEvent = {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly state: RolloutState;
  readonly phase: RolloutPhase | null;
  readonly stage: number;
  readonly percentage: number;
  readonly epoch: number | null;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly comment: string | null;
  readonly actor: ActorName;
};

export const eventDocument = (row: RolloutEventRow): RolloutEvent => ({
  id: row.id,
  at: iso(row.at),
  type: row.type,
  state: row.state,
  phase: row.phase,
  stage: row.stage,
  percentage: row.percentage,
  epoch: row.epoch,
  reason: row.reason,
  detail: row.detail,
  comment: row.comment,
  actor: row.actor,
});
