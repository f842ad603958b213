import { isEqual } from './equal.js';
import { own } from './json.js';
import { cohortsOf, cohortsOfCohort, prerequisitesOf } from './references.js';
import type { Snapshot } from './snapshot.js';

type Documents<T> = Readonly<Record<string, T>>;

function changedKeys<T>(before: Documents<T>, after: Documents<T>): Set<string> {
  if (before === after) return new Set();
  const changed = Object.keys(after).filter((key) => !isEqual(own(before, key), after[key]));
  return new Set([...changed, ...Object.keys(before).filter((key) => !Object.hasOwn(after, key))]);
}

/** Adds every document that names a changed one, until there are no more. */
function spread<T>(changed: Set<string>, documents: Documents<T>, namedBy: (document: T) => ReadonlySet<string>): void {
  if (changed.size === 0) return;
  for (let size = -1; size !== changed.size;) {
    size = changed.size;
    for (const [key, document] of Object.entries(documents))
      if (!changed.has(key) && [...namedBy(document)].some((name) => changed.has(name))) changed.add(key);
  }
}

/**
 * The keys of the flags whose evaluation may differ between two snapshots: their own document, a cohort or a
 * prerequisite they reach was changed, added or removed. Costs little for snapshots made from one another by changes.
 */
export function changedFlags(before: Snapshot, after: Snapshot): string[] {
  const cohorts = changedKeys(before.cohorts, after.cohorts);
  spread(cohorts, after.cohorts, cohortsOfCohort);
  const flags = changedKeys(before.flags, after.flags);
  if (cohorts.size > 0)
    for (const [key, flag] of Object.entries(after.flags))
      if ([...cohortsOf(flag)].some((name) => cohorts.has(name))) flags.add(key);
  spread(flags, after.flags, prerequisitesOf);
  return [...flags];
}
