import type { EnvironmentDocument, FlagDocument, ProjectDocument } from './documents.js';
import { flagDocument, environmentDocument, projectDocument } from './documents.js';
import type { Targeting } from './entities/targeting.entity.js';
import {
  deleteEnvironment,
  recreateEnvironment,
  saveEnvironment,
  type EnvironmentRemains,
} from './environment-writes.js';
import { notFound } from './errors.js';
import { archiveFlag, deleteFlag, recreateFlag, restoreFlag, saveDefinition, type DeletedFlag } from './flag-writes.js';
import { findEnvironment, findFlag } from './locate.js';
import { deleteProject, recreateProject, saveProject, type ProjectRemains } from './project-writes.js';
import { placedFlags, replaceTargetings } from './targeting-bulk.js';
import { withMarksKept, withoutMarks } from './rollouts/rule.js';
import { hasRemains, logged, refuseLater, remainsFor, scopeOf, type Undoing } from './undoing.js';
import { isOfManyFlags, undone } from './undo.js';

/** Undoes that a project was made, renamed or deleted. */
export async function undoProject(undoing: Undoing): Promise<void> {
  const { tx, by, change, limits } = undoing;
  const cause = { reverts: change.id };
  if (change.after === null) {
    const remains = await remainsFor<ProjectRemains>(undoing);
    await recreateProject(tx, by, logged(change.before), remains, limits, { ...cause, deletedBy: change.id });
    return;
  }
  const scope = await scopeOf(undoing);
  if (change.before === null) {
    await refuseLater(undoing);
    await deleteProject(tx, by, scope, cause);
    return;
  }
  const { owner } = scope;
  const { name, description } = undone<ProjectDocument>(
    logged(change.before),
    logged(change.after),
    projectDocument(owner),
  );
  await saveProject(tx, by, owner, { ...owner, name, description }, cause);
}

/** Undoes that an environment was made, edited, deleted or brought back to how it stood. */
export async function undoEnvironment(undoing: Undoing): Promise<void> {
  const { tx, by, change, limits } = undoing;
  const cause = { reverts: change.id };
  const { owner } = await scopeOf(undoing);
  if (change.after === null) {
    const remains = await remainsFor<EnvironmentRemains>(undoing);
    await recreateEnvironment(tx, by, owner, logged(change.before), remains, limits, cause);
    return;
  }
  const row = await findEnvironment(tx, owner, change.subjectKey, true);
  if (change.before === null) {
    await refuseLater(undoing);
    await deleteEnvironment(tx, by, owner, row, cause);
    return;
  }
  if (isOfManyFlags(change.action)) return undoTargetings(undoing);
  const edited = undone<EnvironmentDocument>(
    logged(change.before),
    logged(change.after),
    environmentDocument(row, owner.key),
  );
  const { name, description } = edited;
  await saveEnvironment(tx, by, owner, row, { ...row, name, description, protected: edited.protected }, cause);
}

type FlagsThen = { readonly flags: Readonly<Record<string, Targeting>> };

/** Flag by flag and field by field, as if each had been edited by itself. */
async function undoTargetings(undoing: Undoing): Promise<void> {
  const { tx, by, change, limits } = undoing;
  const { owner } = await scopeOf(undoing);
  const environment = await findEnvironment(tx, owner, change.subjectKey, true);
  const placed = await placedFlags(tx, environment.id);
  const before = logged<FlagsThen>(change.before).flags;
  const after = logged<FlagsThen>(change.after).flags;
  const next = new Map<string, Targeting>();
  for (const key of Object.keys(before)) {
    const row = placed.get(key);
    if (row === undefined) throw notFound('flag', key);
    const edited = undone<Targeting>(plain(before[key]), plain(after[key]), withoutMarks(row.document));
    next.set(key, withMarksKept(row.document, edited));
  }
  const record = { action: change.action, reverts: change.id };
  await replaceTargetings(tx, by, owner, environment, placed, next, limits, record);
}

/** Marks come and go with their rollouts and are no edits. */
const plain = (document: Targeting | undefined): Partial<Targeting> =>
  document === undefined ? {} : withoutMarks(document);

/** Undoes that a flag was made, edited, archived, restored or deleted. */
export async function undoFlag(undoing: Undoing): Promise<void> {
  const { tx, by, change, limits } = undoing;
  const cause = { reverts: change.id };
  const scope = await scopeOf(undoing);
  if (change.after === null) {
    await recreateFlag(tx, by, scope, logged<DeletedFlag>(change.before), limits, cause);
    return;
  }
  const row = await findFlag(tx, scope.owner, change.subjectKey);
  if (change.before === null) {
    await refuseLater(undoing);
    await deleteFlag(tx, by, scope, row, cause);
    return;
  }
  const before = logged<FlagDocument>(change.before);
  const current = flagDocument(row, scope.owner.key);
  const edited = undone<FlagDocument>(before, logged(change.after), current);
  if (edited.archivedAt === current.archivedAt) {
    const { name, description, variants, variantInfo, defaultVariant, tags, permanent, owner, metadata } = edited;
    const values = { name, description, variants: { ...variants }, variantInfo: { ...variantInfo }, defaultVariant };
    const changed = { ...row, ...values, tags: [...tags], permanent, owner, metadata: { ...metadata } };
    await saveDefinition(tx, by, scope, row, changed, limits, [], cause);
    return;
  }
  if (edited.archivedAt === null) {
    // An archiving that was itself an undoing turned on what the restoring before it had turned off.
    const asItWas = !(await hasRemains(undoing));
    await restoreFlag(tx, by, scope, row, { ...cause, asItWas });
    return;
  }
  const { enabledIn } = await remainsFor<{ enabledIn: readonly number[] }>(undoing);
  await refuseLater(undoing);
  await archiveFlag(tx, by, scope, row, { ...cause, as: { archivedAt: new Date(edited.archivedAt), enabledIn } });
}
