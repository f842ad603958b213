import { isTemplateName, type Plan } from '@fledge/canary';
import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '@fledge/evaluation';
import type { Actor } from '../actor.js';
import { appendChange } from '../change-log.js';
import { iso } from '../documents.js';
import type { ProjectRow } from '../entities/project.entity.js';
import { RolloutPlanRow } from '../entities/rollout-plan.entity.js';
import { DomainError, keyTaken, notFound } from '../errors.js';
import type { Cause } from '../scope.js';
import { updateRow, type Tx } from '../transaction.js';

/** A plan with a name. */
export type RolloutPlanDocument = {
  readonly key: string;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly plan: Plan;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly warnings?: readonly Problem[];
};

/** What can happen to a plan, in the caller's transaction, whose project is locked: for requests and reverts alike. */

/** Makes a plan. @throws DomainError `key_taken`, also for the name of a plan that is always there */
export async function createPlan(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  was: Pick<RolloutPlanDocument, 'key' | 'name' | 'description' | 'plan'> & Partial<RolloutPlanDocument>,
  { reverts }: Cause = {},
): Promise<RolloutPlanDocument> {
  refuseTemplate(was.key);
  const row = await insertPlan(tx, owner, was);
  const after = planDocument(row, owner);
  await log(tx, by, owner, 'rollout-plan.created', null, after, reverts);
  return after;
}

/** Inserts the row alone; of a plan that there was its version counts on. @throws DomainError `key_taken` */
export async function insertPlan(
  tx: Tx,
  owner: ProjectRow,
  was: Pick<RolloutPlanDocument, 'key' | 'name' | 'description' | 'plan'> & Partial<RolloutPlanDocument>,
): Promise<RolloutPlanRow> {
  const { key, name, description, plan, version = 0, createdAt } = was;
  const row = tx.create(RolloutPlanRow, {
    projectId: owner.id,
    key,
    name,
    description,
    version: version + 1,
    ...(createdAt === undefined ? {} : { createdAt: new Date(createdAt) }),
  });
  row.document = plan;
  try {
    return await tx.save(row);
  } catch (error) {
    throw keyTaken(error, 'rollout plan', key);
  }
}

/** Saves an edited plan; what says the same is no change. What runs has a copy and goes on as it is. */
export async function savePlan(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  row: RolloutPlanRow,
  next: Pick<RolloutPlanRow, 'name' | 'description' | 'document'>,
  { reverts }: Cause = {},
): Promise<RolloutPlanDocument> {
  const before = planDocument(row, owner);
  const { name, description, document } = row;
  if (isDeepStrictEqual({ name, description, document }, next)) return before;
  const saved = { ...next, version: row.version + 1, updatedAt: new Date() };
  await updateRow(tx, RolloutPlanRow, { id: row.id }, saved);
  const after = planDocument({ ...row, ...saved }, owner);
  await log(tx, by, owner, 'rollout-plan.updated', before, after, reverts);
  return after;
}

/** Deletes a plan for good. */
export async function deletePlan(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  row: RolloutPlanRow,
  { reverts }: Cause = {},
): Promise<void> {
  await log(tx, by, owner, 'rollout-plan.deleted', planDocument(row, owner), null, reverts);
  await tx.delete(RolloutPlanRow, { id: row.id });
}

export async function findPlan(tx: Tx, owner: ProjectRow, key: string): Promise<RolloutPlanRow> {
  const row = await tx.findOne(RolloutPlanRow, { where: { projectId: owner.id, key } });
  if (row === null) throw notFound('rollout plan', key);
  return row;
}

function refuseTemplate(key: string): void {
  if (!isTemplateName(key.toLowerCase())) return;
  throw new DomainError('key_taken', `The plan "${key}" is always there; choose another key.`, {
    errors: [{ pointer: '/key', code: 'key_taken', message: 'Expected a key that no plan has.' }],
  });
}

const log = (
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  action: string,
  before: RolloutPlanDocument | null,
  after: RolloutPlanDocument | null,
  reverts: string | undefined,
): Promise<string> =>
  appendChange(tx, by, {
    action,
    project: owner,
    subject: { type: 'rollout-plan', key: (after ?? before)?.key ?? '' },
    before,
    after,
    reverts,
  });

export const planDocument = (row: RolloutPlanRow, owner: ProjectRow): RolloutPlanDocument => ({
  key: row.key,
  project: owner.key,
  name: row.name,
  description: row.description,
  plan: row.document,
  version: row.version,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
});
