import type { Cohort } from './cohort.js';
import { own } from './json.js';
import type { MembersChange } from './snapshot.js';

/** True for a whole cohort, false for a change of its members. */
export function isWhole(change: Cohort | MembersChange): change is Cohort {
  return own(change, 'key') !== undefined;
}

function changeList(members: readonly string[], change: MembersChange['included']): readonly string[] {
  if (change === undefined) return members;
  const { add = [], remove = [] } = change;
  const gone = new Set([...remove, ...add]);
  return [...members.filter((member) => !gone.has(member)), ...new Set(add)];
}

/** The cohort after a change: its members each once, those added last. Undefined for members of no cohort. */
export function changeCohort(cohort: Cohort | undefined, change: Cohort | MembersChange): Cohort | undefined {
  if (isWhole(change) || cohort === undefined) return isWhole(change) ? change : undefined;
  const { included, excluded } = change;
  return {
    ...cohort,
    included: changeList(cohort.included, included),
    excluded: changeList(cohort.excluded, excluded),
  };
}
