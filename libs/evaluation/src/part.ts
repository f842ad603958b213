import { isWhole } from './members.js';
import { prerequisitesOf, reachableCohorts } from './references.js';
import type { Change, Snapshot } from './snapshot.js';

type Documents<T> = Readonly<Record<string, T>>;

function pick<T>(documents: Documents<T>, keys: ReadonlySet<string>): Documents<T> {
  return Object.fromEntries(Object.entries(documents).filter(([key]) => keys.has(key)));
}

/**
 * The snapshot with nothing but the flags named and what deciding them looks at: their prerequisites, and the cohorts that all these
 * reach. Documents stay the identical objects, so every flag named is decided as in the whole.
 */
export function partOf(snapshot: Snapshot, flagKeys: Iterable<string>): Snapshot {
  const wanted = new Set(flagKeys);
  // A set is iterated up to its end as it is then, so what is added on the way is visited too.
  for (const key of wanted) {
    const flag = Object.hasOwn(snapshot.flags, key) ? snapshot.flags[key] : undefined;
    for (const prerequisite of flag === undefined ? [] : prerequisitesOf(flag)) wanted.add(prerequisite);
  }
  const flags = pick(snapshot.flags, wanted);
  return {
    ...snapshot,
    flags,
    cohorts: pick(snapshot.cohorts, reachableCohorts(Object.values(flags), snapshot.cohorts)),
  };
}

function changed<T>(before: Documents<T>, after: Documents<T>): [string, T][] {
  return Object.entries(after).filter(([key, document]) => !Object.hasOwn(before, key) || before[key] !== document);
}

function gone<T>(before: Documents<T>, after: Documents<T>): string[] {
  return Object.keys(before).filter((key) => !Object.hasOwn(after, key));
}

/**
 * What turns one part of a snapshot into the next, where `change` turned the whole of `before` into that of `after`. What comes into
 * the part is sent whole and what leaves it is removed, also where the change itself left it alone; of a cohort that stays only the
 * members are sent that moved. Compares documents by identity, which `applyChange` keeps.
 */
export function changeOfPart(before: Snapshot, after: Snapshot, { cohorts: moved = {} }: Change): Change {
  const flags = changed(before.flags, after.flags);
  const cohorts = changed(before.cohorts, after.cohorts).map(([key, cohort]) => {
    const members = Object.hasOwn(before.cohorts, key) && Object.hasOwn(moved, key) ? moved[key] : undefined;
    return [key, members === undefined || isWhole(members) ? cohort : members] as const;
  });
  const removed = { flags: gone(before.flags, after.flags), cohorts: gone(before.cohorts, after.cohorts) };
  return {
    from: before.version,
    version: after.version,
    revision: after.revision ?? '',
    ...(flags.length > 0 && { flags: Object.fromEntries(flags) }),
    ...(cohorts.length > 0 && { cohorts: Object.fromEntries(cohorts) }),
    ...(removed.flags.length + removed.cohorts.length > 0 && { removed }),
  };
}
