import { isDeepStrictEqual } from 'node:util';
import { validateDefinition, validateFlag, type Problem } from '@fledge/evaluation';
import type { Actor } from './actor.js';
import { appendChange, type Touched } from './change-log.js';
import { flagDocument, joinFlag, type FlagDocument } from './documents.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import { FlagRow } from './entities/flag.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import { insertTargetings } from './targeting-rows.js';
import { keyTaken, refuseProblems } from './errors.js';
import { editable } from './flag-definition.js';
import { refuseMissingPrerequisites, refuseRolledVariants, refuseServedVariants } from './flag-references.js';
import type { Limits } from './limits.js';
import { reachOfAll, withReach } from './reach.js';
import { flagsRequiring, refuseReferenced } from './references.js';
import type { Cause, Scope } from './scope.js';
import { surroundingsOf } from './surroundings.js';
import { initialTargeting, targetingFrom } from './targeting-defaults.js';
import { refuseLiveRollouts } from './rollouts/end-all.js';
import { lockLiveRollouts } from './rollouts/live.js';
import { updateRow, type Tx } from './transaction.js';

/** What can happen to a flag, in the caller's transaction, whose scope is locked: for requests, reverts and imports alike. */

/** Saves an edited definition. Environments get a new version only when what SDKs see changes, or which of them see it. `wrong`: what the caller found. */
export async function saveDefinition(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  row: FlagRow,
  changed: FlagRow,
  limits: Limits,
  wrong: readonly Problem[] = [],
  { reverts }: Cause = {},
): Promise<FlagDocument> {
  const { key, type } = row;
  const before = flagDocument(row, owner.key);
  if (isDeepStrictEqual(flagDocument(changed, owner.key), before)) return { ...before, warnings: [] };
  const { variants, variantInfo, metadata } = changed;
  const { problems, warnings } = validateDefinition({ key, type, variants, variantInfo, metadata }, limits);
  refuseProblems([...problems, ...wrong]);
  refuseRolledVariants(row, changed, await lockLiveRollouts(tx, { flagId: row.id }, false));
  const targetings = await targetingsByEnvironment(tx, row.id);
  await refuseServedVariants(tx, owner, row, changed, environments, targetings);
  const saved = { ...changed, version: row.version + 1, updatedAt: new Date() };
  await updateRow(tx, FlagRow, { id: row.id }, editable(saved));
  const isSeen = row.archivedAt === null && !isDeepStrictEqual(seenOf(row), seenOf(saved));
  const touched = isSeen ? await touch(tx, saved, environments, targetings) : [];
  const after = flagDocument(saved, owner.key);
  const subject = { type: 'flag', key } as const;
  await appendChange(tx, by, { action: 'flag.updated', project: owner, subject, before, after, reverts }, touched);
  return { ...after, warnings };
}

/** What SDKs see of a definition, and what decides which of them do. */
const seenOf = ({ variants, metadata, tags }: FlagRow): unknown => ({ variants, metadata, tags });

/** Takes a flag out of every snapshot. `as`: how a flag stood that was archived before. @throws DomainError `referenced` */
export async function archiveFlag(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  row: FlagRow,
  { reverts, as }: Cause & { readonly as?: { archivedAt: Date; enabledIn: readonly number[] } } = {},
): Promise<FlagDocument> {
  const { key } = row;
  const before = flagDocument(row, owner.key);
  if (row.archivedAt !== null) return before;
  await refuseLiveRollouts(tx, { flagId: row.id }, { kind: 'flag', key });
  refuseReferenced('flag', key, await flagsRequiring(tx, owner.id, key, { archived: false }));
  const reach = await reachOfAll(tx, owner.id, environments);
  const archivedAt = as?.archivedAt ?? new Date();
  const archived = { ...row, archivedAt, version: row.version + 1, updatedAt: new Date() };
  await updateRow(tx, FlagRow, { id: row.id }, editable(archived));
  const targetings = await targetingsByEnvironment(tx, row.id);
  for (const environment of environments.filter(({ id }) => as?.enabledIn.includes(id)))
    await saveTargeting(tx, row, environment, { ...targetingIn(targetings, environment, row), enabled: true });
  const touched = await withReach(tx, owner.id, environments, reach, () => ({ removed: { flags: [key] } }));
  const after = flagDocument(archived, owner.key);
  const subject = { type: 'flag', key } as const;
  // Undoing this must not leave on what it turned on.
  const undo = as === undefined ? undefined : { enabledIn: as.enabledIn };
  const record = { action: 'flag.archived', project: owner, subject, before, after, reverts, undo };
  await appendChange(tx, by, record, touched);
  return after;
}

/** Brings an archived flag back: disabled everywhere, or, with `asItWas`, as it stood. @throws DomainError `referenced` */
export async function restoreFlag(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  row: FlagRow,
  { reverts, asItWas = false }: Cause & { readonly asItWas?: boolean } = {},
): Promise<FlagDocument> {
  const { key } = row;
  const before = flagDocument(row, owner.key);
  if (row.archivedAt === null) return before;
  const reach = await reachOfAll(tx, owner.id, environments);
  const targetings = await targetingsByEnvironment(tx, row.id);
  await refuseMissingPrerequisites(tx, row, environments, targetings);
  const enabledIn = environments.flatMap(({ id }) => (targetings.get(id)?.enabled === true ? [id] : []));
  const restored = { ...row, archivedAt: null, version: row.version + 1, updatedAt: new Date() };
  await updateRow(tx, FlagRow, { id: row.id }, editable(restored));
  for (const environment of environments) {
    const current = targetingIn(targetings, environment, row);
    const document = { ...current, enabled: asItWas && current.enabled };
    targetings.set(environment.id, document);
    await saveTargeting(tx, row, environment, document);
  }
  const touched = await withReach(tx, owner.id, environments, reach, (environment) => ({
    flags: { [key]: joinFlag(restored, targetingIn(targetings, environment, row)) },
  }));
  const after = flagDocument(restored, owner.key);
  const subject = { type: 'flag', key } as const;
  const record = { action: 'flag.restored', project: owner, subject, before, after, reverts };
  await appendChange(tx, by, { ...record, undo: { enabledIn } }, touched);
  return after;
}

/** Deletes a flag for good, out of the snapshots too when it is in them. @throws DomainError `referenced` */
export async function deleteFlag(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  row: FlagRow,
  { reverts }: Cause = {},
): Promise<void> {
  const { key } = row;
  // Undoing that it was made takes it away unarchived.
  await refuseLiveRollouts(tx, { flagId: row.id }, { kind: 'flag', key });
  refuseReferenced('flag', key, await flagsRequiring(tx, owner.id, key, { archived: true }));
  const before = { ...flagDocument(row, owner.key), targeting: await targetingsForTheRecord(tx, row.id) };
  const reach = await reachOfAll(tx, owner.id, environments);
  await tx.delete(FlagRow, { id: row.id });
  const touched =
    row.archivedAt === null
      ? await withReach(tx, owner.id, environments, reach, () => ({ removed: { flags: [key] } }))
      : [];
  const subject = { type: 'flag', key } as const;
  await appendChange(
    tx,
    by,
    { action: 'flag.deleted', project: owner, subject, before, after: null, reverts },
    touched,
  );
}

/** A flag as the log keeps one that was deleted: with its targeting, by environment. */
export type DeletedFlag = FlagDocument & { readonly targeting: Readonly<Record<string, Targeting>> };

/** Makes a deleted flag again, archived if it was; environments that came since have it disabled. @throws DomainError `key_taken`, `invalid` */
export async function recreateFlag(
  tx: Tx,
  by: Actor,
  { owner, environments }: Scope,
  was: DeletedFlag,
  limits: Limits,
  { reverts }: Cause,
): Promise<FlagDocument> {
  const row = await insertFlagAsItWas(tx, owner.id, was);
  const reach = await reachOfAll(tx, owner.id, environments);
  const targetings = new Map(
    environments.map(({ id, key }) => [
      id,
      targetingFrom(Object.hasOwn(was.targeting, key) ? was.targeting[key] : undefined, row),
    ]),
  );
  await insertTargetings(
    tx,
    environments.map((environment) => ({
      flagId: row.id,
      environmentId: environment.id,
      document: targetingIn(targetings, environment, row),
      version: environment.snapshotVersion + 1,
    })),
  );
  for (const environment of environments) {
    const flag = joinFlag(row, targetingIn(targetings, environment, row));
    const { problems } = validateFlag(flag, await surroundingsOf(tx, owner.id, environment.id, flag), limits);
    refuseProblems(problems.map((each) => ({ ...each, pointer: `/targeting/${environment.key}${each.pointer}` })));
  }
  const touched =
    row.archivedAt === null
      ? await withReach(tx, owner.id, environments, reach, (environment) => ({
          flags: { [row.key]: joinFlag(row, targetingIn(targetings, environment, row)) },
        }))
      : [];
  const after = flagDocument(row, owner.key);
  const subject = { type: 'flag', key: row.key } as const;
  await appendChange(
    tx,
    by,
    { action: 'flag.created', project: owner, subject, before: null, after, reverts },
    touched,
  );
  return after;
}

/** Inserts the row of a flag that there was; its version counts on. */
export async function insertFlagAsItWas(tx: Tx, projectId: number, was: FlagDocument): Promise<FlagRow> {
  const row = tx.create(FlagRow, {
    projectId,
    key: was.key,
    type: was.type,
    name: was.name,
    description: was.description,
    variants: { ...was.variants },
    variantInfo: { ...was.variantInfo },
    defaultVariant: was.defaultVariant,
    tags: [...was.tags],
    permanent: was.permanent,
    owner: was.owner,
    metadata: { ...was.metadata },
    archivedAt: was.archivedAt === null ? null : new Date(was.archivedAt),
    version: was.version + 1,
    createdAt: new Date(was.createdAt),
    updatedAt: new Date(),
  });
  try {
    return await tx.save(row);
  } catch (error) {
    throw keyTaken(error, 'flag', was.key);
  }
}

async function targetingsByEnvironment(tx: Tx, flagId: number): Promise<Map<number, Targeting>> {
  const rows = await tx.find(TargetingRow, { where: { flagId } });
  return new Map(rows.map((row) => [row.environmentId, row.document]));
}

const targetingIn = (targetings: ReadonlyMap<number, Targeting>, { id }: EnvironmentRow, flag: FlagRow): Targeting =>
  targetings.get(id) ?? initialTargeting(flag);

async function saveTargeting(tx: Tx, flag: FlagRow, environment: EnvironmentRow, document: Targeting): Promise<void> {
  await updateRow(
    tx,
    TargetingRow,
    { flagId: flag.id, environmentId: environment.id },
    { document, version: environment.snapshotVersion + 1, updatedAt: new Date() },
  );
}

/** Raises the targeting documents' versions to those the environments are about to get, and says what SDKs will see. */
async function touch(
  tx: Tx,
  flag: FlagRow,
  environments: readonly EnvironmentRow[],
  targetings: ReadonlyMap<number, Targeting>,
): Promise<Touched[]> {
  const touched: Touched[] = [];
  for (const environment of environments) {
    const targeting = targetings.get(environment.id);
    if (targeting === undefined) continue;
    await updateRow(
      tx,
      TargetingRow,
      { flagId: flag.id, environmentId: environment.id },
      { version: environment.snapshotVersion + 1, updatedAt: flag.updatedAt },
    );
    touched.push({ environment, patch: { flags: { [flag.key]: joinFlag(flag, targeting) } } });
  }
  return touched;
}

async function targetingsForTheRecord(tx: Tx, flagId: number): Promise<Record<string, Targeting>> {
  const rows = await tx.find(TargetingRow, { where: { flagId }, relations: { environment: true } });
  return Object.fromEntries(
    rows.flatMap((row) => (row.environment === undefined ? [] : [[row.environment.key, row.document]])),
  );
}
