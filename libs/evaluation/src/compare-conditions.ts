import type { Condition } from './flag.js';

/** The same text for conditions that judge alike; `negate` is left out, to be compared by itself. */
function essence(condition: Condition): string {
  const { negate: _, ...rest } = condition;
  return JSON.stringify(Object.entries({ ignoreCase: false, ...rest }).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isNegated(condition: Condition): boolean {
  return condition.negate === true;
}

/** True when two conditions judge every context alike. */
export function isSameCondition(a: Condition, b: Condition): boolean {
  return isNegated(a) === isNegated(b) && essence(a) === essence(b);
}

/** True when one condition is the other's negation. */
export function isNegation(a: Condition, b: Condition): boolean {
  return isNegated(a) !== isNegated(b) && essence(a) === essence(b);
}

/** True when whoever meets the narrow conditions meets the wide ones, because these are among those. */
export function covers(wide: readonly Condition[], narrow: readonly Condition[]): boolean {
  return wide.every((condition) => narrow.some((other) => isSameCondition(condition, other)));
}

/** Two lists for one attribute that have nothing in common; a list-valued attribute might meet both all the same. */
function areDisjoint(a: Condition, b: Condition): boolean {
  if ('cohorts' in a || 'cohorts' in b || a.attribute !== b.attribute) return false;
  if (a.operator !== 'in' || b.operator !== 'in' || isNegated(a) || isNegated(b)) return false;
  if (a.ignoreCase === true || b.ignoreCase === true) return false;
  const values = new Set(a.values.map((value) => JSON.stringify(value)));
  return !b.values.some((value) => values.has(JSON.stringify(value)));
}

/** True when the conditions visibly exclude each other. */
export function exclude(a: readonly Condition[], b: readonly Condition[]): boolean {
  return a.some((one) => b.some((other) => isNegation(one, other) || areDisjoint(one, other)));
}

/** A name for a list of conditions that is the same for lists that judge alike, in whatever order. */
export function conditionsKey(conditions: readonly Condition[]): string {
  const texts = conditions.map((condition) => `${isNegated(condition) ? 'not ' : ''}${essence(condition)}`);
  return [...new Set(texts)].sort().join('\n');
}
