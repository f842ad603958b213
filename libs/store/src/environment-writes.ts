import { isDeepStrictEqual } from 'node:util';
import { validateFlag, type Flag } from '@fledge/evaluation';
import type { Actor } from './actor.js';
import { appendChange, CHANNEL, newRevision, type Touched } from './change-log.js';
import { environmentDocument, joinFlag, type EnvironmentDocument } from './documents.js';
import { EnvironmentRow } from './entities/environment.entity.js';
import { FlagRow } from './entities/flag.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import { insertTargetings } from './targeting-rows.js';
import { keyTaken, refuseProblems } from './errors.js';
import type { Limits } from './limits.js';
import { refuseProtected, refuseUnexplained } from './protection.js';
import { cohortsPatch, reachedCohorts } from './reach.js';
import type { Cause } from './scope.js';
import { refuseLiveRollouts } from './rollouts/end-all.js';
import { surroundingsOf } from './surroundings.js';
import { targetingFrom } from './targeting-defaults.js';
import { updateRow, type Tx } from './transaction.js';

/** What can happen to an environment as such, in the caller's transaction, which holds the locks of the project and of it. */

/** Saves an edited name, description or protection. @throws DomainError `comment_required` when it was protected */
export async function saveEnvironment(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  row: EnvironmentRow,
  edited: EnvironmentRow,
  { reverts }: Cause = {},
): Promise<EnvironmentDocument> {
  const before = environmentDocument(row, owner.key);
  if (isDeepStrictEqual(environmentDocument(edited, owner.key), before)) return before;
  refuseUnexplained(by, [row]);
  const saved = { ...edited, version: row.version + 1, updatedAt: new Date() };
  const { name, description, version, updatedAt } = saved;
  const values = { name, description, protected: saved.protected, version, updatedAt };
  await updateRow(tx, EnvironmentRow, { id: row.id }, values);
  const after = environmentDocument(saved, owner.key);
  const subject = { type: 'environment', key: row.key } as const;
  const record = { action: 'environment.updated', project: owner, subject, environment: row.key, before, after };
  await appendChange(tx, by, { ...record, reverts });
  return after;
}

/** What a deleted environment took with it: its id, by which its keys know it, and what it said about every flag. */
export type EnvironmentRemains = { readonly id: number; readonly targeting: Readonly<Record<string, Targeting>> };

/** Deletes an environment with its targeting. @throws DomainError `protected` */
export async function deleteEnvironment(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  row: EnvironmentRow,
  { reverts }: Cause = {},
): Promise<void> {
  // Unmaking what nobody has worked with takes nothing from anybody: a word why is enough.
  if (reverts === undefined) refuseProtected([row]);
  else refuseUnexplained(by, [row]);
  await refuseLiveRollouts(tx, { environmentId: row.id }, { kind: 'environment', key: row.key });
  const before = environmentDocument(row, owner.key);
  const subject = { type: 'environment', key: row.key } as const;
  const record = { action: 'environment.deleted', project: owner, subject, environment: row.key, before, after: null };
  await appendChange(tx, by, { ...record, reverts, undo: await remainsOf(tx, row) });
  await tx.delete(EnvironmentRow, { id: row.id });
  await forgetEnvironment(tx, row.id);
}

/** Tells every replica that an environment is gone; version 0 is no version. */
export async function forgetEnvironment(tx: Tx, id: number): Promise<void> {
  await tx.query('SELECT pg_notify($1, $2)', [CHANNEL, `${id} 0`]);
}

export async function remainsOf(tx: Tx, { id }: EnvironmentRow): Promise<EnvironmentRemains> {
  const rows = await tx.find(TargetingRow, { where: { environmentId: id }, relations: { flag: true } });
  const targeting = rows.flatMap(({ flag, document }): [string, Targeting][] =>
    flag === undefined ? [] : [[flag.key, document]],
  );
  return { id, targeting: Object.fromEntries(targeting) };
}

/** Makes a deleted environment again under its own id, so that its keys work again; flags that came since are disabled in it. @throws DomainError `key_taken`, `invalid` */
export async function recreateEnvironment(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  was: EnvironmentDocument,
  remains: EnvironmentRemains,
  limits: Limits,
  { reverts }: Cause,
): Promise<EnvironmentDocument> {
  const { row, touched } = await insertEnvironmentAsItWas(tx, owner, was, remains, limits);
  const after = environmentDocument({ ...row, snapshotVersion: row.snapshotVersion + 1 }, owner.key);
  const subject = { type: 'environment', key: row.key } as const;
  const record = { action: 'environment.created', project: owner, subject, environment: row.key, before: null, after };
  await appendChange(tx, by, { ...record, reverts }, [touched]);
  return after;
}

/** Inserts the row of an environment that there was and its targeting, and says what SDKs will see. Its versions count on. */
export async function insertEnvironmentAsItWas(
  tx: Tx,
  owner: ProjectRow,
  was: EnvironmentDocument,
  { id, targeting }: EnvironmentRemains,
  limits: Limits,
): Promise<{ row: EnvironmentRow; touched: Touched }> {
  try {
    await tx.query(
      `INSERT INTO environment (id, project_id, key, name, description, protected, version, snapshot_version, revision, changed_at, created_at)
       OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_timestamp(0), $10)`,
      [
        id,
        owner.id,
        was.key,
        was.name,
        was.description,
        was.protected,
        was.version + 1,
        was.snapshotVersion,
        newRevision(was.snapshotVersion),
        was.createdAt,
      ],
    );
  } catch (error) {
    throw keyTaken(error, 'environment', was.key);
  }
  const row = await tx.findOneByOrFail(EnvironmentRow, { id });
  const flags = await tx.find(FlagRow, { where: { projectId: owner.id }, order: { id: 'ASC' } });
  const documents = flags.map((flag) => ({
    flag,
    document: targetingFrom(Object.hasOwn(targeting, flag.key) ? targeting[flag.key] : undefined, flag),
  }));
  const version = row.snapshotVersion + 1;
  await insertTargetings(
    tx,
    documents.map(({ flag, document }) => ({ flagId: flag.id, environmentId: id, document, version })),
  );
  const served = documents.filter(({ flag }) => flag.archivedAt === null);
  const joined = served.map(({ flag, document }): [string, Flag] => [flag.key, joinFlag(flag, document)]);
  for (const [key, flag] of joined.filter(([name]) => Object.hasOwn(targeting, name))) {
    const { problems } = validateFlag(flag, await surroundingsOf(tx, owner.id, id, flag), limits);
    refuseProblems(problems.map((each) => ({ ...each, pointer: `/targeting/${key}${each.pointer}` })));
  }
  const reached = [...(await reachedCohorts(tx, owner.id, id)).values()];
  const cohorts = reached.length === 0 ? {} : { cohorts: cohortsPatch(reached) };
  return { row, touched: { environment: row, patch: { flags: Object.fromEntries(joined), ...cohorts } } };
}
