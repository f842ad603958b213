import type { Cohort } from './cohort.js';
import { own, put } from './json.js';
import type { Change, MembersChange, Snapshot } from './snapshot.js';

type Documents<T> = Readonly<Record<string, T>>;

/** True for a whole cohort, false for a change of its members. */
export function isWhole(change: Cohort | MembersChange): change is Cohort {
  return own(change, 'key') !== undefined;
}

/** The members after a change: each once, those added last. */
export function changeMembers(members: readonly string[], change: MembersChange['included']): readonly string[] {
  const add = change?.add ?? [];
  const gone = new Set([...(change?.remove ?? []), ...add]);
  return gone.size === 0 ? members : [...members.filter((member) => !gone.has(member)), ...new Set(add)];
}

function changeCohort(cohort: Cohort | undefined, change: Cohort | MembersChange): Cohort | undefined {
  if (isWhole(change) || cohort === undefined) return isWhole(change) ? change : undefined;
  return {
    ...cohort,
    included: changeMembers(cohort.included, change.included),
    excluded: changeMembers(cohort.excluded, change.excluded),
  };
}

/** The documents after the changes; the very same record when no change touches its kind. */
function fold<T, C>(
  before: Documents<T>,
  changes: readonly { readonly removed: readonly string[] | undefined; readonly changed: Documents<C> | undefined }[],
  apply: (document: T | undefined, change: C) => T | undefined,
): Documents<T> {
  let after: Record<string, T> | undefined;
  for (const { removed = [], changed = {} } of changes) {
    for (const key of removed) delete (after ??= { ...before })[key];
    for (const [key, change] of Object.entries(changed)) {
      after ??= { ...before };
      const document = apply(Object.hasOwn(after, key) ? after[key] : undefined, change);
      if (document !== undefined) put(after, key, document);
    }
  }
  return after ?? before;
}

/**
 * The snapshot after the changes, in one copy of its records; untouched documents stay the identical objects.
 * Undefined when a change does not continue the version before it: then the whole snapshot must be had anew.
 */
export function applyChanges(snapshot: Snapshot, changes: readonly Change[]): Snapshot | undefined {
  let { version } = snapshot;
  for (const change of changes) {
    if (change.from !== version) return undefined;
    ({ version } = change);
  }
  const last = changes.at(-1);
  if (last === undefined) return snapshot;
  const flags = changes.map(({ flags: changed, removed }) => ({ changed, removed: removed?.flags }));
  const cohorts = changes.map(({ cohorts: changed, removed }) => ({ changed, removed: removed?.cohorts }));
  const { reset: _, ...rest } = snapshot;
  return {
    ...rest,
    version,
    revision: last.revision,
    flags: fold(snapshot.flags, flags, (_before, flag) => flag),
    cohorts: fold(snapshot.cohorts, cohorts, changeCohort),
  };
}

/**
 * The snapshot after one change: the only way a snapshot moves to its next version, on the server and in the SDK.
 * Undefined when the change was made from another version.
 */
export function applyChange(snapshot: Snapshot, change: Change): Snapshot | undefined {
  return applyChanges(snapshot, [change]);
}
