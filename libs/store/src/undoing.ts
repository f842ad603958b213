import type { Actor } from './actor.js';
import type { ChangeRow } from './entities/change.entity.js';
import { DomainError } from './errors.js';
import { laterChanges } from './later-changes.js';
import type { Limits } from './limits.js';
import { lockScope, type Scope } from './scope.js';
import type { Tx } from './transaction.js';

/** What undoing a change takes. It goes through the stores' own writes, so that nothing is undone past their rules. */
export type Undoing = { readonly tx: Tx; readonly by: Actor; readonly change: ChangeRow; readonly limits: Limits };

/** A document of the log as the store that logged it wrote it; null: there was none. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- whoever reads it says what it is
export function logged<T>(document: ChangeRow['before']): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only the store that reads it here has written it
  return document as T;
}

/** What was kept beside the documents for undoing the change. @throws DomainError `not_revertable` for a change before it was kept */
export async function remainsFor<T>({ tx, change }: Undoing): Promise<T> {
  const [row] = await tx.query<{ content: T }[]>(`SELECT content FROM change_undo WHERE change_id = $1`, [change.id]);
  if (row !== undefined) return row.content;
  const message = `Change ${change.id} (${change.action}) cannot be undone: what it took with it was not kept yet.`;
  throw new DomainError('not_revertable', message);
}

export async function hasRemains({ tx, change }: Undoing): Promise<boolean> {
  const rows = await tx.query<unknown[]>(`SELECT 1 FROM change_undo WHERE change_id = $1`, [change.id]);
  return rows.length > 0;
}

/** The locked scope of the change's project. @throws DomainError `revert_conflict` when that is gone, even if one of its key is there */
export async function scopeOf({ tx, change }: Undoing): Promise<Scope> {
  const scope = await lockScope(tx, change.projectKey ?? '');
  if (scope.owner.id === change.projectId) return scope;
  throw new DomainError('revert_conflict', `The project "${change.projectKey}" is another one now.`);
}

/** What was made is unmade only while nobody has done anything with it. @throws DomainError `revert_conflict` */
export async function refuseLater({ tx, change }: Undoing): Promise<void> {
  const later = await laterChanges(tx, change);
  if (later.length > 0) throw new DomainError('revert_conflict', 'It has been worked with since.');
}
