import type { Cohort } from './cohort.js';
import { changeCohort } from './members.js';
import { mergeChanges } from './merge-changes.js';
import type { Change, MembersChange, Snapshot } from './snapshot.js';

type Documents<T> = Readonly<Record<string, T>>;

/** The documents after a change, in one copy of the record; the very same record when it touches none. */
function patch<T>(before: Documents<T>, removed: readonly string[] = [], changed: Documents<T> = {}): Documents<T> {
  if (removed.length + Object.keys(changed).length === 0) return before;
  // Spreading defines properties, also one named `__proto__`, which an assignment would take for the prototype.
  const after = { ...before, ...changed };
  for (const key of removed) if (!Object.hasOwn(changed, key)) delete after[key];
  return after;
}

function changedCohorts(before: Documents<Cohort>, changed: Documents<Cohort | MembersChange> = {}): Documents<Cohort> {
  return Object.fromEntries(
    Object.entries(changed).flatMap(([key, change]): [string, Cohort][] => {
      const after = changeCohort(Object.hasOwn(before, key) ? before[key] : undefined, change);
      return after === undefined ? [] : [[key, after]];
    }),
  );
}

/**
 * The snapshot after one change: the only way a snapshot moves to its next version, on the server and in the SDK.
 * Untouched documents stay the identical objects. Undefined when the change was made from another version: then the
 * whole snapshot must be had anew.
 */
export function applyChange(snapshot: Snapshot, change: Change): Snapshot | undefined {
  const { reset: _, ...rest } = snapshot;
  const { from, version, revision, removed } = change;
  if (from !== snapshot.version) return undefined;
  return {
    ...rest,
    version,
    revision,
    flags: patch(snapshot.flags, removed?.flags, change.flags),
    cohorts: patch(snapshot.cohorts, removed?.cohorts, changedCohorts(snapshot.cohorts, change.cohorts)),
  };
}

/** The snapshot after several changes, each of which continues the one before it, in one copy of its records. */
export function applyChanges(snapshot: Snapshot, changes: readonly Change[]): Snapshot | undefined {
  if (changes.length === 0) return snapshot;
  const merged = mergeChanges(changes);
  return merged && applyChange(snapshot, merged);
}
