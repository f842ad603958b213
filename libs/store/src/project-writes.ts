import { isDeepStrictEqual } from 'node:util';
import type { Actor } from './actor.js';
import { appendChange, CHANNEL, TOKENS } from './change-log.js';
import { countMembersOf } from './cohort-members.js';
import { bringMembersBack, insertCohortAsItWas } from './cohort-writes.js';
import {
  cohortDocument,
  environmentDocument,
  flagDocument,
  projectDocument,
  type CohortDocument,
  type EnvironmentDocument,
  type FlagDocument,
  type ProjectDocument,
} from './documents.js';
import { CohortRow } from './entities/cohort.entity.js';
import { FlagRow } from './entities/flag.entity.js';
import { ProjectRow } from './entities/project.entity.js';
import { RolloutPlanRow } from './entities/rollout-plan.entity.js';
import {
  forgetEnvironment,
  insertEnvironmentAsItWas,
  remainsOf,
  type EnvironmentRemains,
} from './environment-writes.js';
import { keyTaken } from './errors.js';
import { insertFlagAsItWas } from './flag-writes.js';
import type { Limits } from './limits.js';
import { refuseProtected } from './protection.js';
import { refuseLiveRollouts } from './rollouts/end-all.js';
import { insertPlan, planDocument, type RolloutPlanDocument } from './rollouts/plan-writes.js';
import type { Cause, Scope } from './scope.js';
import { updateRow, type Tx } from './transaction.js';

/** What can happen to a project as such, in the caller's transaction, whose scope is locked. */

export async function saveProject(
  tx: Tx,
  by: Actor,
  row: ProjectRow,
  edited: ProjectRow,
  { reverts }: Cause = {},
): Promise<ProjectDocument> {
  const before = projectDocument(row);
  if (isDeepStrictEqual(projectDocument(edited), before)) return before;
  const saved = { ...edited, version: row.version + 1, updatedAt: new Date() };
  const { name, description, version, updatedAt } = saved;
  await updateRow(tx, ProjectRow, { id: row.id }, { name, description, version, updatedAt });
  const after = projectDocument(saved);
  const subject = { type: 'project', key: row.key } as const;
  await appendChange(tx, by, { action: 'project.updated', project: row, subject, before, after, reverts });
  return after;
}

/** What a deleted project took with it, members excepted: they are rows, which can be erased. */
export type ProjectRemains = {
  readonly id: number;
  readonly flags: readonly FlagDocument[];
  readonly cohorts: readonly { readonly id: number; readonly document: CohortDocument }[];
  readonly environments: readonly (EnvironmentRemains & { readonly document: EnvironmentDocument })[];
  /** Left out by deletions that kept none. */
  readonly plans?: readonly RolloutPlanDocument[];
};

/** Deletes a project with everything in it. @throws DomainError `protected` */
export async function deleteProject(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  { reverts }: Cause = {},
): Promise<void> {
  refuseProtected(environments);
  await refuseLiveRollouts(tx, { projectId: owner.id }, { kind: 'project', key: owner.key });
  const undo = await remainsOfProject(tx, { owner, environments });
  const subject = { type: 'project', key: owner.key } as const;
  const record = { action: 'project.deleted', project: owner, subject, before: projectDocument(owner), after: null };
  const change = await appendChange(tx, by, { ...record, reverts, undo });
  await tx.query(
    `UPDATE cohort_member SET removed_by = $2
     WHERE cohort_id IN (SELECT id FROM cohort WHERE project_id = $1) AND removed_by IS NULL`,
    [owner.id, change],
  );
  await tx.delete(ProjectRow, { id: owner.id });
  for (const { id } of environments) await forgetEnvironment(tx, id);
  // Its tokens went with it.
  await tx.query('SELECT pg_notify($1, $2)', [CHANNEL, TOKENS]);
}

async function remainsOfProject(tx: Tx, { owner, environments }: Scope): Promise<ProjectRemains> {
  const flags = await tx.find(FlagRow, { where: { projectId: owner.id }, order: { id: 'ASC' } });
  const cohorts = await tx.find(CohortRow, { where: { projectId: owner.id }, order: { id: 'ASC' } });
  const counts = await countMembersOf(
    tx,
    cohorts.map(({ id }) => id),
  );
  const plans = await tx.find(RolloutPlanRow, { where: { projectId: owner.id }, order: { id: 'ASC' } });
  const places: ProjectRemains['environments'][number][] = [];
  for (const each of environments)
    places.push({ ...(await remainsOf(tx, each)), document: environmentDocument(each, owner.key) });
  return {
    id: owner.id,
    flags: flags.map((row) => flagDocument(row, owner.key)),
    cohorts: cohorts.map((row) => ({
      id: row.id,
      document: cohortDocument(row, owner.key, counts.get(row.id) ?? { included: 0, excluded: 0 }),
    })),
    environments: places,
    plans: plans.map((row) => planDocument(row, owner)),
  };
}

/**
 * Makes a deleted project again under its own id, with its environments, flags, cohorts and the members that have not been erased
 * since; its tokens are gone for good. @throws DomainError `key_taken`
 */
export async function recreateProject(
  tx: Tx,
  by: Actor,
  was: ProjectDocument,
  { id, flags, cohorts, environments, plans = [] }: ProjectRemains,
  limits: Limits,
  { deletedBy, reverts }: Cause & { readonly deletedBy: string },
): Promise<ProjectDocument> {
  try {
    await tx.query(
      `INSERT INTO project (id, key, name, description, version, created_at)
       OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6)`,
      [id, was.key, was.name, was.description, was.version + 1, was.createdAt],
    );
  } catch (error) {
    throw keyTaken(error, 'project', was.key);
  }
  const owner = await tx.findOneByOrFail(ProjectRow, { id });
  for (const each of cohorts) await insertCohortAsItWas(tx, id, each.id, each.document);
  for (const flag of flags) await insertFlagAsItWas(tx, id, flag);
  for (const plan of plans) await insertPlan(tx, owner, plan);
  const touched = [];
  for (const { document, ...remains } of environments)
    touched.push((await insertEnvironmentAsItWas(tx, owner, document, remains, limits)).touched);
  const after = projectDocument(owner);
  const subject = { type: 'project', key: owner.key } as const;
  const record = { action: 'project.created', project: owner, subject, before: null, after, reverts };
  const change = await appendChange(tx, by, record, touched);
  for (const cohort of cohorts) await bringMembersBack(tx, cohort.id, deletedBy, change);
  return after;
}
