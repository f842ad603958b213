import { isDeepStrictEqual } from 'node:util';
import { DomainError } from './errors.js';

type Fields = Readonly<Record<string, unknown>>;

/** Changes of an environment that are changes of the targeting of many flags in it. */
export const isOfManyFlags = (action: string): boolean =>
  action === 'environment.restored' || action === 'environment.imported';

/** What undoing one change makes of a document: the fields to set, and those that somebody has changed since. */
export type Undone = { readonly fields: Fields; readonly conflicts: readonly string[] };

/** What a document carries about itself: never undone, since undoing is a change like any other. */
const BOOKKEEPING = new Set([
  'key',
  'project',
  'environment',
  'version',
  'snapshotVersion',
  'members',
  'createdAt',
  'updatedAt',
  'warnings',
]);

/**
 * Undoes a change field by field, so that what others changed beside it stays. A field that is not as the change left it is a
 * conflict, unless it is back already to what it was before.
 */
export function undoFields(before: Fields, after: Fields, current: Fields): Undone {
  const fields: Record<string, unknown> = {};
  const conflicts: string[] = [];
  for (const name of changedFields(before, after)) {
    if (isDeepStrictEqual(current[name], before[name])) continue;
    if (isDeepStrictEqual(current[name], after[name])) fields[name] = before[name];
    else conflicts.push(name);
  }
  return { fields, conflicts };
}

/**
 * The document without what the change did to it.
 * @throws DomainError `revert_conflict`, naming the fields that are in the way, or because nothing is left to undo
 */
export function undone<T extends object>(before: Partial<T>, after: Partial<T>, current: T): T {
  const { fields, conflicts } = undoFields({ ...before }, { ...after }, fieldsOf(current));
  if (conflicts.length > 0)
    throw new DomainError('revert_conflict', `Changed again since: ${conflicts.join(', ')}.`, { fields: conflicts });
  if (Object.keys(fields).length === 0) throw nothingLeft();
  const entries = Object.entries({ ...current, ...fields }).filter(([, value]) => value !== undefined);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every field is one of the same document, now or before
  return Object.fromEntries(entries) as T;
}

const fieldsOf = (document: object): Fields => Object.fromEntries(Object.entries(document));

export const nothingLeft = (): DomainError =>
  new DomainError('revert_conflict', 'Nothing is left of this change: what it did has been undone since.');

/** The fields that differ, without what a document carries about itself. */
function changedFields(before: Fields, after: Fields): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => !BOOKKEEPING.has(name) && !isDeepStrictEqual(before[name], after[name]));
}

type Lists<List extends string> = ReadonlyMap<string, List>;

/**
 * The same for members: a change moved units from the lists of `before` to those of `after` (in neither: it was in none). Answers
 * where each of them is to be put back to (undefined: out), and who has been moved on since.
 */
export function undoMembers<List extends string>(
  before: Lists<List>,
  after: Lists<List>,
  current: Lists<List>,
): { readonly moves: ReadonlyMap<string, List | undefined>; readonly conflicts: readonly string[] } {
  const moves = new Map<string, List | undefined>();
  const conflicts: string[] = [];
  for (const unit of new Set([...before.keys(), ...after.keys()])) {
    if (current.get(unit) === before.get(unit)) continue;
    if (current.get(unit) === after.get(unit)) moves.set(unit, before.get(unit));
    else conflicts.push(unit);
  }
  return { moves, conflicts };
}

type Logged = { readonly id: string; readonly reverts: string | null };

/**
 * Those of the changes after `id` (in any order) that are still in force: a change and the one that undid it are neither, a revert of
 * something earlier is.
 */
export function standing<T extends Logged>(id: string, later: readonly T[]): T[] {
  const undoneIds = new Set<string>();
  const newestFirst = [...later].sort((a, b) => Number(b.id) - Number(a.id));
  return newestFirst.filter((change) => {
    if (undoneIds.has(change.id)) return false;
    if (change.reverts === null) return true;
    undoneIds.add(change.reverts);
    return Number(change.reverts) < Number(id);
  });
}
