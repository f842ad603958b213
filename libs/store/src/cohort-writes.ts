import { isDeepStrictEqual } from 'node:util';
import type { Actor } from './actor.js';
import { appendChange } from './change-log.js';
import { applyBatch, countMembers, type MemberBatch, type MemberCounts, type MemberList } from './cohort-members.js';
import { cohortDocument, type CohortDocument } from './documents.js';
import { CohortRow } from './entities/cohort.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import { keyTaken } from './errors.js';
import { cohortsPatch, environmentsReaching, reachOfAll, withReach } from './reach.js';
import { refuseReferenced, whoNamesCohort } from './references.js';
import type { Cause, Scope } from './scope.js';
import { cohortsNamedBy } from './surroundings.js';
import { updateRow, type Tx } from './transaction.js';

/** What can happen to a cohort, in the caller's transaction, whose scope is locked and whose documents are validated. */

/** Saves an edited document, and moves members by batches that change something. Undefined when nothing changes. */
export async function saveCohort(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  row: CohortRow,
  edited: CohortRow,
  batches: readonly MemberBatch[],
  { reverts }: Cause = {},
): Promise<CohortDocument | undefined> {
  const { key } = row;
  const before = cohortDocument(row, owner.key, await countMembers(tx, row.id));
  const sameDocument = isDeepStrictEqual(cohortDocument(edited, owner.key, before.members), before);
  if (sameDocument && batches.length === 0) return undefined;
  const reach = await reachOfAll(tx, owner.id, environments);
  const saved = { ...edited, version: row.version + 1, updatedAt: new Date() };
  await updateRow(tx, CohortRow, { id: row.id }, editable(saved));
  const holding = environments.filter(({ id }) => reach.get(id)?.has(key));
  const touched = await withReach(tx, owner.id, holding, reach, () => ({ cohorts: cohortsPatch([saved]) }));
  const after = cohortDocument(saved, owner.key, countAfter(before.members, batches));
  const subject = { type: 'cohort', key } as const;
  const record = { action: 'cohort.updated', project: owner, subject, before, after, reverts };
  await applyBatches(tx, row.id, await appendChange(tx, by, record, touched), batches);
  return after;
}

/** Moves members by one batch that changes something; SDKs are sent only those. */
export async function saveMembers(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  row: CohortRow,
  batch: MemberBatch,
  { reverts }: Cause = {},
): Promise<CohortDocument> {
  const { key } = row;
  const members = await countMembers(tx, row.id);
  const before = cohortDocument(row, owner.key, members);
  const saved = { ...row, version: row.version + 1, updatedAt: new Date() };
  await updateRow(tx, CohortRow, { id: row.id }, { version: saved.version, updatedAt: saved.updatedAt });
  const reaching = await environmentsReaching(tx, owner.id, key);
  const after = cohortDocument(saved, owner.key, countAfter(members, [batch]));
  const change = await appendChange(
    tx,
    by,
    {
      action: 'cohort.members',
      project: owner,
      subject: { type: 'members', key },
      before: { members: before.members, version: before.version },
      after: {
        members: after.members,
        version: after.version,
        list: batch.list,
        added: batch.add.length,
        removed: batch.remove.length,
      },
      reverts,
    },
    environments
      .filter(({ id }) => reaching.has(id))
      .map((environment) => ({ environment, patch: { members: { [key]: row.id } } })),
  );
  await applyBatch(tx, row.id, change, batch);
  return after;
}

/** @throws DomainError `referenced` while any flag, archived or not, or any cohort names it */
export async function deleteCohort(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  row: CohortRow,
  { reverts }: Cause = {},
): Promise<void> {
  const { key, id } = row;
  refuseReferenced('cohort', key, await whoNamesCohort(tx, owner.id, key));
  const before = cohortDocument(row, owner.key, await countMembers(tx, id));
  const subject = { type: 'cohort', key } as const;
  const record = { action: 'cohort.deleted', project: owner, subject, before, after: null, reverts, undo: { id } };
  const change = await appendChange(tx, by, record);
  // The members end with the cohort, but the past keeps them.
  await tx.query(`UPDATE cohort_member SET removed_by = $2 WHERE cohort_id = $1 AND removed_by IS NULL`, [id, change]);
  await tx.delete(CohortRow, { id });
}

/** Makes a deleted cohort again under its own id, with the members that ended with it and have not been erased since. @throws DomainError `key_taken` */
export async function recreateCohort(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  was: CohortDocument,
  { id, deletedBy, reverts }: Cause & { readonly id: number; readonly deletedBy: string },
): Promise<CohortDocument> {
  await insertCohortAsItWas(tx, owner.id, id, was);
  const row = await tx.findOneByOrFail(CohortRow, { id });
  const [counted] = await tx.query<MemberCounts[]>(
    `SELECT count(*) FILTER (WHERE list = 'included')::int AS included, count(*) FILTER (WHERE list = 'excluded')::int AS excluded
     FROM cohort_member WHERE cohort_id = $1 AND removed_by = $2`,
    [id, deletedBy],
  );
  const after = cohortDocument(row, owner.key, counted ?? { included: 0, excluded: 0 });
  const subject = { type: 'cohort', key: row.key } as const;
  const record = { action: 'cohort.created', project: owner, subject, before: null, after, reverts };
  await bringMembersBack(tx, id, deletedBy, await appendChange(tx, by, record));
  return after;
}

/** Inserts the row of a cohort that there was, under the id that its members and the past know it by; its version counts on. */
export async function insertCohortAsItWas(tx: Tx, projectId: number, id: number, was: CohortDocument): Promise<void> {
  try {
    await tx.query(
      `INSERT INTO cohort (id, project_id, key, name, description, attribute, rules, cohorts, version, created_at, updated_at)
       OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now())`,
      [
        id,
        projectId,
        was.key,
        was.name,
        was.description,
        was.attribute === 'targetingKey' ? null : was.attribute,
        JSON.stringify(was.rules),
        cohortsNamedBy(was),
        was.version + 1,
        was.createdAt,
      ],
    );
  } catch (error) {
    throw keyTaken(error, 'cohort', was.key);
  }
}

/** Adds the members again that one change ended. */
export async function bringMembersBack(tx: Tx, cohortId: number, endedBy: string, change: string): Promise<void> {
  await tx.query(
    `INSERT INTO cohort_member (cohort_id, list, unit, added_by)
     SELECT cohort_id, list, unit, $3 FROM cohort_member WHERE cohort_id = $1 AND removed_by = $2 ORDER BY id`,
    [cohortId, endedBy, change],
  );
}

/** First all that goes, then all that comes: a unit may move from one list to the other. */
async function applyBatches(tx: Tx, id: number, change: string, batches: readonly MemberBatch[]): Promise<void> {
  for (const batch of batches) await applyBatch(tx, id, change, { ...batch, add: [] });
  for (const batch of batches) await applyBatch(tx, id, change, { ...batch, remove: [] });
}

const editable = (row: CohortRow) => ({
  name: row.name,
  description: row.description,
  attribute: row.attribute,
  rules: row.rules,
  cohorts: row.cohorts,
  version: row.version,
  updatedAt: row.updatedAt,
});

function countAfter(before: MemberCounts, batches: readonly MemberBatch[]): MemberCounts {
  const grown = (list: MemberList): number =>
    batches
      .filter((batch) => batch.list === list)
      .reduce((sum, { add, remove }) => sum + add.length - remove.length, before[list]);
  return { included: grown('included'), excluded: grown('excluded') };
}
