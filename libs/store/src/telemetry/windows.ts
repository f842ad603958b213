import { EMPTY_ARM, mergeArms, milliseconds, type Arm, type ArmSums, type Plan, type Window } from '@fledge/canary';
import type { Tx } from '../transaction.js';

/** What both arms showed. */
export type Arms = Readonly<Record<Arm, ArmSums>>;

/** `start` in epoch milliseconds, a multiple of the window's length. */
export type WindowKey = { readonly rolloutId: string; readonly epoch: number; readonly start: number };

/** A window may be read so long after its end, when its last reports have come. */
export const READ_AFTER_MS = 5_000;

/**
 * Holds the windows for share until the transaction ends, in the order of their keys, and makes those that are not there. What finds
 * its window read goes to the next one that is not: nothing is ever added to what somebody has read.
 */
export async function lockWindows<T extends { readonly place: WindowKey & { readonly windowMs: number } }>(
  tx: Tx,
  wanted: readonly T[],
): Promise<readonly T[]> {
  const held: T[] = [];
  for (let open = wanted; open.length > 0;) {
    const keys = [
      open.map(({ place }) => place.rolloutId),
      open.map(({ place }) => place.epoch),
      open.map(({ place }) => place.start),
    ];
    const given = `unnest($1::uuid[], $2::int[], $3::bigint[]) AS given (rollout_id, epoch, start)`;
    await tx.query(
      `INSERT INTO outcome_window (rollout_id, epoch, start) SELECT DISTINCT * FROM ${given} ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING`,
      keys,
    );
    const rows = await tx.query<(WindowKey & { isRead: boolean })[]>(
      `SELECT rollout_id AS "rolloutId", epoch, start::float8, read_at IS NOT NULL AS "isRead"
       FROM outcome_window WHERE (rollout_id, epoch, start) IN (SELECT * FROM ${given}) ORDER BY rollout_id, epoch, outcome_window.start FOR SHARE`,
      keys,
    );
    const isRead = new Map(rows.map((row) => [nameOf(row), row.isRead]));
    held.push(...open.filter(({ place }) => isRead.get(nameOf(place)) === false));
    open = open
      .filter(({ place }) => isRead.get(nameOf(place)) !== false)
      .map((each) => ({ ...each, place: { ...each.place, start: each.place.start + each.place.windowMs } }));
  }
  return held;
}

const nameOf = ({ rolloutId, epoch, start }: WindowKey): string => `${rolloutId} ${epoch} ${start}`;

/**
 * Reads a rollout's windows that ended at least five seconds before `now` (the database's clock) and were not read, of every epoch,
 * and marks them read: for good when the transaction commits. Waits for whoever is adding to them. In order of time, then epoch.
 */
export async function readWindows(
  tx: Tx,
  { id, plan }: { readonly id: string; readonly plan: Pick<Plan, 'window'> },
  now: Date,
): Promise<readonly Window[]> {
  const ended = now.getTime() - READ_AFTER_MS - milliseconds(plan.window);
  // Locked in the order in which writers lock them.
  const due = await tx.query<{ epoch: number; start: number }[]>(
    `SELECT epoch, start::float8 FROM outcome_window WHERE rollout_id = $1 AND read_at IS NULL AND start <= $2
     ORDER BY epoch, outcome_window.start FOR UPDATE`,
    [id, Math.floor(ended)],
  );
  if (due.length === 0) return [];
  const keys = [id, due.map(({ epoch }) => epoch), due.map(({ start }) => start), now];
  const isDue = `rollout_id = $1 AND (epoch, start) IN (SELECT * FROM unnest($2::int[], $3::bigint[]))`;
  await tx.query(`UPDATE outcome_window SET read_at = $4 WHERE ${isDue}`, keys);
  const parts = await tx.query<{ epoch: number; start: number; arms: Arms }[]>(
    `SELECT epoch, start::float8, arms FROM outcome_part WHERE ${isDue}`,
    keys.slice(0, 3),
  );
  return due
    .map(({ epoch, start }) => windowOf(epoch, start, parts))
    .sort((one, other) => one.start - other.start || one.epoch - other.epoch);
}

function windowOf(
  epoch: number,
  start: number,
  parts: readonly { readonly epoch: number; readonly start: number; readonly arms: Arms }[],
): Window {
  const own = parts.filter((part) => part.epoch === epoch && part.start === start);
  const sumsOf = (arm: Arm): ArmSums => own.reduce((sums, { arms }) => mergeArms(sums, arms[arm]), EMPTY_ARM);
  return { epoch, start, canary: sumsOf('canary'), baseline: sumsOf('baseline') };
}
