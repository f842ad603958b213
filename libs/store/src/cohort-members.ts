import type { Problem } from '@fledge/evaluation';
import { refuseProblems } from './errors.js';
import { refuseBeyond, type Limits } from './limits.js';
import type { Tx } from './transaction.js';

export type MemberList = 'included' | 'excluded';
export type MemberCounts = { readonly included: number; readonly excluded: number };

/** What a batch really changes: units that are not in the list yet, and units that are. */
export type MemberBatch = {
  readonly list: MemberList;
  readonly add: readonly string[];
  readonly remove: readonly string[];
};

export async function countMembers(tx: Tx, cohortId: number): Promise<MemberCounts> {
  const counts = await countMembersOf(tx, [cohortId]);
  return counts.get(cohortId) ?? { included: 0, excluded: 0 };
}

export async function countMembersOf(tx: Tx, cohortIds: readonly number[]): Promise<Map<number, MemberCounts>> {
  const rows = await tx.query<({ id: number } & MemberCounts)[]>(
    `SELECT cohort_id AS id, count(*) FILTER (WHERE list = 'included')::int AS included,
            count(*) FILTER (WHERE list = 'excluded')::int AS excluded
     FROM cohort_member WHERE cohort_id = ANY ($1::int[]) AND removed_by IS NULL GROUP BY cohort_id`,
    [cohortIds],
  );
  return new Map(rows.map(({ id, included, excluded }) => [id, { included, excluded }]));
}

/**
 * Reduces a request to what it really changes.
 * @throws DomainError `invalid` for units that the other list holds, `limit_reached` when the cohort would grow too large
 */
export async function effectiveBatch(
  tx: Tx,
  limits: Limits,
  cohortId: number,
  wanted: MemberBatch,
): Promise<MemberBatch> {
  const add = [...new Set(wanted.add)];
  const remove = [...new Set(wanted.remove)];
  const present = await listsOf(tx, cohortId, [...add, ...remove]);
  const elsewhere = wanted.add.flatMap((unit, index): Problem[] => {
    const list = present.get(unit);
    if (list === undefined || list === wanted.list) return [];
    return [
      {
        pointer: `/add/${index}`,
        code: 'in_both_lists',
        message: `Expected a unit that is not ${list} already; remove "${unit}" from ${list} first.`,
      },
    ];
  });
  refuseProblems(elsewhere);
  const batch = {
    list: wanted.list,
    add: add.filter((unit) => !present.has(unit)),
    remove: remove.filter((unit) => present.get(unit) === wanted.list),
  };
  const { included, excluded } = await countMembers(tx, cohortId);
  const size = included + excluded + batch.add.length - batch.remove.length;
  if (batch.add.length > 0) refuseBeyond(limits, 'membersPerCohort', size - 1);
  return batch;
}

/** Applies a batch that `effectiveBatch` answered, in the name of the change. */
export async function applyBatch(tx: Tx, cohortId: number, changeId: string, batch: MemberBatch): Promise<void> {
  if (batch.remove.length > 0) {
    await tx.query(
      `UPDATE cohort_member SET removed_by = $3
       WHERE cohort_id = $1 AND md5(unit) = ANY (SELECT md5(unnest($4::text[]))) AND list = $2 AND removed_by IS NULL`,
      [cohortId, batch.list, changeId, batch.remove],
    );
  }
  if (batch.add.length > 0) {
    await tx.query(
      `INSERT INTO cohort_member (cohort_id, list, unit, added_by) SELECT $1, $2, unit, $3 FROM unnest($4::text[]) AS unit`,
      [cohortId, batch.list, changeId, batch.add],
    );
  }
}

/** The batch that turns a list into exactly `units`. */
export async function replacingBatch(
  tx: Tx,
  cohortId: number,
  list: MemberList,
  units: readonly string[],
): Promise<MemberBatch> {
  const rows = await tx.query<{ unit: string }[]>(
    `SELECT unit FROM cohort_member WHERE cohort_id = $1 AND list = $2 AND removed_by IS NULL`,
    [cohortId, list],
  );
  const present = new Set(rows.map(({ unit }) => unit));
  const wanted = new Set(units);
  return {
    list,
    add: [...wanted].filter((unit) => !present.has(unit)),
    remove: [...present].filter((unit) => !wanted.has(unit)),
  };
}

/** The list that each of the units is in now; who is in none is missing. */
export async function listsOf(tx: Tx, cohortId: number, units: readonly string[]): Promise<Map<string, MemberList>> {
  if (units.length === 0) return new Map();
  const rows = await tx.query<{ unit: string; list: MemberList }[]>(
    `SELECT unit, list FROM cohort_member
     WHERE cohort_id = $1 AND md5(unit) = ANY (SELECT md5(unnest($2::text[]))) AND removed_by IS NULL`,
    [cohortId, units],
  );
  return new Map(rows.map(({ unit, list }) => [unit, list]));
}
