import { applyInput, findCohort, validateInput } from './cohorts.js';
import { listsOf, type MemberBatch, type MemberList } from './cohort-members.js';
import { deleteCohort, recreateCohort, saveCohort, saveMembers } from './cohort-writes.js';
import { cohortDocument, type CohortDocument } from './documents.js';
import type { CohortRow } from './entities/cohort.entity.js';
import { DomainError } from './errors.js';
import { refuseBeyond } from './limits.js';
import { logged, refuseLater, remainsFor, scopeOf, type Undoing } from './undoing.js';
import { nothingLeft, undoFields, undoMembers } from './undo.js';

/** Undoes that a cohort was made, edited or deleted. */
export async function undoCohort(undoing: Undoing): Promise<void> {
  const { tx, by, change, limits } = undoing;
  const cause = { reverts: change.id };
  const scope = await scopeOf(undoing);
  if (change.after === null) {
    const { id } = await remainsFor<{ id: number }>(undoing);
    await recreateCohort(tx, by, scope.owner, logged(change.before), { ...cause, id, deletedBy: change.id });
    return;
  }
  const row = await findCohort(tx, scope.owner, change.subjectKey);
  if (change.before === null) {
    await refuseLater(undoing);
    await deleteCohort(tx, by, scope.owner, row, cause);
    return;
  }
  const batches = await batchesBack(undoing, row);
  const current: CohortDocument = cohortDocument(row, scope.owner.key, { included: 0, excluded: 0 });
  const { fields, conflicts } = undoFields(logged(change.before), logged(change.after), current);
  if (conflicts.length > 0)
    throw new DomainError('revert_conflict', `Changed again since: ${conflicts.join(', ')}.`, { fields: conflicts });
  const { name, description, attribute, rules } = { ...current, ...fields };
  const input = { key: row.key, name, description, attribute, rules };
  await validateInput(tx, scope.owner, input, limits);
  if ((await saveCohort(tx, by, scope, row, applyInput(row, input), batches, cause)) === undefined) throw nothingLeft();
}

/** Undoes that members were added and removed, unit by unit. */
export async function undoMembersOf(undoing: Undoing): Promise<void> {
  const scope = await scopeOf(undoing);
  const row = await findCohort(undoing.tx, scope.owner, undoing.change.subjectKey);
  const [batch, another] = await batchesBack(undoing, row);
  if (batch === undefined) throw nothingLeft();
  if (another !== undefined) throw new Error('A change of members concerns one list.');
  await saveMembers(undoing.tx, undoing.by, scope, row, batch, { reverts: undoing.change.id });
}

/** The batches that put back whom the change moved: what it did is in the members' rows. @throws DomainError `revert_conflict` */
async function batchesBack({ tx, change, limits }: Undoing, row: CohortRow): Promise<MemberBatch[]> {
  const rows = await tx.query<{ unit: string; list: MemberList; added: boolean; removed: boolean }[]>(
    `SELECT unit, list, added_by = $2 AS added, coalesce(removed_by = $2, false) AS removed
     FROM cohort_member WHERE cohort_id = $1 AND (added_by = $2 OR removed_by = $2) ORDER BY id`,
    [row.id, change.id],
  );
  const before = new Map(rows.filter(({ removed }) => removed).map(({ unit, list }) => [unit, list]));
  const after = new Map(rows.filter(({ added }) => added).map(({ unit, list }) => [unit, list]));
  const units = [...new Set(rows.map(({ unit }) => unit))];
  const current = await listsOf(tx, row.id, units);
  const { moves, conflicts } = undoMembers(before, after, current);
  if (conflicts.length > 0) {
    const message = `${conflicts.length} of its ${units.length} members have been moved again since.`;
    throw new DomainError('revert_conflict', message, { fields: ['members'] });
  }
  const comes = [...moves].filter(([, list]) => list !== undefined).length;
  if (comes > 0) await refuseTooMany(tx, row.id, comes, limits);
  return (['included', 'excluded'] as const)
    .map((list) => ({
      list,
      add: [...moves].flatMap(([unit, to]) => (to === list ? [unit] : [])),
      remove: [...moves.keys()].filter((unit) => current.get(unit) === list),
    }))
    .filter(({ add, remove }) => add.length + remove.length > 0);
}

async function refuseTooMany(
  tx: Undoing['tx'],
  cohortId: number,
  comes: number,
  limits: Undoing['limits'],
): Promise<void> {
  const [row] = await tx.query<{ count: number }[]>(
    `SELECT count(*)::int AS count FROM cohort_member WHERE cohort_id = $1 AND removed_by IS NULL`,
    [cohortId],
  );
  refuseBeyond(limits, 'membersPerCohort', (row?.count ?? 0) + comes - 1);
}
