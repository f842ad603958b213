import { isEqual } from './equal.js';
import { elements, own } from './json.js';
import { cohortsOf, cohortsOfCohort, prerequisitesOf } from './references.js';
import type { Snapshot } from './snapshot.js';

type Documents<T> = Readonly<Record<string, T>>;

function changedKeys<T>(before: Documents<T>, after: Documents<T>): Set<string> {
  if (before === after) return new Set();
  const changed = Object.keys(after).filter((key) => !isEqual(own(before, key), after[key]));
  return new Set([...changed, ...Object.keys(before).filter((key) => !Object.hasOwn(after, key))]);
}

/** Adds every document that is touched by a changed one, until there are no more. */
function spread<T>(changed: Set<string>, documents: Documents<T>, isTouched: (document: T) => boolean): void {
  for (let size = -1; size !== changed.size;) {
    size = changed.size;
    for (const [key, document] of Object.entries(documents))
      if (!changed.has(key) && isTouched(document)) changed.add(key);
  }
}

/**
 * The keys of the flags whose evaluation may differ between two snapshots: their own document, a cohort or a
 * prerequisite they reach was changed, added or removed. Costs little for snapshots made from one another by changes.
 */
export function changedFlags(before: Snapshot, after: Snapshot): string[] {
  const [cohorts, flags] = [changedKeys(before.cohorts, after.cohorts), changedKeys(before.flags, after.flags)];
  const names = (named: ReadonlySet<string>, changed: ReadonlySet<string>): boolean =>
    [...named].some((name) => changed.has(name));
  // Nothing is spread by nothing: after a toggle no flag is searched for cohorts, and few have prerequisites.
  if (cohorts.size > 0) spread(cohorts, after.cohorts, (cohort) => names(cohortsOfCohort(cohort), cohorts));
  if (cohorts.size + flags.size > 0)
    spread(
      flags,
      after.flags,
      (flag) =>
        (cohorts.size > 0 && names(cohortsOf(flag), cohorts)) ||
        (elements(own(flag, 'prerequisites')).length > 0 && names(prerequisitesOf(flag), flags)),
    );
  return [...flags];
}
