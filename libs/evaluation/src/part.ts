import { isWhole } from './members.js';
import type { Flag } from './flag.js';
import { cohortsOf, prerequisitesOf, reachFrom } from './references.js';
import type { Change, Snapshot } from './snapshot.js';

type Documents<T> = Readonly<Record<string, T>>;
type Needs = { readonly flags: readonly string[]; readonly cohorts: readonly string[] };

/** Documents are never modified in place, so what one names is looked up once. */
const needs = new WeakMap<Flag, Needs>();

function needsOf(flag: Flag): Needs {
  const known = needs.get(flag);
  if (known !== undefined) return known;
  const found = { flags: [...prerequisitesOf(flag)], cohorts: [...cohortsOf(flag)] };
  needs.set(flag, found);
  return found;
}

function pick<T>(documents: Documents<T>, keys: ReadonlySet<string>): Documents<T> {
  const picked: [string, T][] = [];
  for (const key of keys) {
    const document = Object.hasOwn(documents, key) ? documents[key] : undefined;
    if (document !== undefined) picked.push([key, document]);
  }
  return Object.fromEntries(picked);
}

/**
 * The snapshot with nothing but the flags named and what deciding them looks at: their prerequisites, and the cohorts that all these
 * reach. Documents stay the identical objects, so every flag named is decided as in the whole.
 */
export function partOf(snapshot: Snapshot, flagKeys: Iterable<string>): Snapshot {
  const wanted = new Set(flagKeys);
  const named = new Set<string>();
  // A set is iterated up to its end as it is then, so what is added on the way is visited too.
  for (const key of wanted) {
    const flag = Object.hasOwn(snapshot.flags, key) ? snapshot.flags[key] : undefined;
    if (flag === undefined) continue;
    const { flags, cohorts } = needsOf(flag);
    for (const prerequisite of flags) wanted.add(prerequisite);
    for (const cohort of cohorts) named.add(cohort);
  }
  const cohorts = pick(snapshot.cohorts, reachFrom(named, snapshot.cohorts));
  return { ...snapshot, flags: pick(snapshot.flags, wanted), cohorts };
}

function changed<T>(before: Documents<T>, after: Documents<T>): [string, T][] {
  if (before === after) return [];
  return Object.entries(after).filter(([key, document]) => !Object.hasOwn(before, key) || before[key] !== document);
}

function gone<T>(before: Documents<T>, after: Documents<T>): string[] {
  if (before === after) return [];
  return Object.keys(before).filter((key) => !Object.hasOwn(after, key));
}

/** Whether a change of the whole may change a part that lacks nothing it names, and to which `isNamed` says what flags belong. */
export function touchesPart(
  part: Snapshot,
  { flags = {}, cohorts = {}, removed }: Change,
  isNamed: (key: string) => boolean,
): boolean {
  return (
    [...Object.keys(flags), ...(removed?.flags ?? [])].some((key) => Object.hasOwn(part.flags, key) || isNamed(key)) ||
    [...Object.keys(cohorts), ...(removed?.cohorts ?? [])].some((key) => Object.hasOwn(part.cohorts, key))
  );
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
