import type { Cohort } from './cohort.js';
import type { Flag } from './flag.js';
import { changeCohort, isWhole } from './members.js';
import type { Change, MembersChange } from './snapshot.js';

type Members = MembersChange['included'];

function mergeMembers(first: Members, second: Members): Members {
  if (first === undefined || second === undefined) return first ?? second;
  const [add, remove] = [second.add ?? [], second.remove ?? []];
  const without = (list: readonly string[] | undefined, gone: readonly string[]): string[] => {
    const lost = new Set(gone);
    return (list ?? []).filter((member) => !lost.has(member));
  };
  return {
    add: [...without(first.add, [...remove, ...add]), ...add],
    remove: [...without(first.remove, [...add, ...remove]), ...without(remove, add)],
  };
}

/** One cohort's change after another's; null stands for a cohort that was removed. */
function mergeCohort(
  first: Cohort | MembersChange | null | undefined,
  second: Cohort | MembersChange,
): Cohort | MembersChange | null {
  if (isWhole(second) || first === undefined) return second;
  // Members of a cohort that is gone change nothing.
  if (first === null) return null;
  if (isWhole(first)) return changeCohort(first, second) ?? null;
  const included = mergeMembers(first.included, second.included);
  const excluded = mergeMembers(first.excluded, second.excluded);
  return { ...(included !== undefined && { included }), ...(excluded !== undefined && { excluded }) };
}

function split<T>(merged: ReadonlyMap<string, T | null>): {
  readonly changed: Record<string, T>;
  readonly removed: string[];
} {
  const changed = [...merged].flatMap(([key, document]): [string, T][] => (document === null ? [] : [[key, document]]));
  const removed = [...merged].flatMap(([key, document]) => (document === null ? [key] : []));
  return { changed: Object.fromEntries(changed), removed };
}

/**
 * One change that does what several do, each of which continues the one before it; undefined for none, and when one
 * does not continue. A document that was changed twice is sent once.
 */
export function mergeChanges(changes: readonly Change[]): Change | undefined {
  const [first] = changes;
  const last = changes.at(-1);
  if (first === undefined || last === undefined) return undefined;
  if (changes.some((change, index) => index > 0 && change.from !== changes[index - 1]?.version)) return undefined;
  const flags = new Map<string, Flag | null>();
  const cohorts = new Map<string, Cohort | MembersChange | null>();
  for (const change of changes) {
    for (const key of change.removed?.flags ?? []) flags.set(key, null);
    for (const key of change.removed?.cohorts ?? []) cohorts.set(key, null);
    for (const [key, flag] of Object.entries(change.flags ?? {})) flags.set(key, flag);
    for (const [key, cohort] of Object.entries(change.cohorts ?? {}))
      cohorts.set(key, mergeCohort(cohorts.get(key), cohort));
  }
  const [flagsOf, cohortsOf] = [split(flags), split(cohorts)];
  return {
    from: first.from,
    version: last.version,
    revision: last.revision,
    flags: flagsOf.changed,
    cohorts: cohortsOf.changed,
    removed: { flags: flagsOf.removed, cohorts: cohortsOf.removed },
  };
}
