import type { Condition } from './flag.js';
import { instant } from './instant.js';
import { asText } from './json.js';
import { finite } from './operators.js';
import { semver } from './semver.js';

/** The same text for conditions that judge alike; `negate` is left out, to be compared by itself. */
function essence(condition: Condition): string {
  const { negate: _, ...rest } = condition;
  return JSON.stringify(Object.entries({ ignoreCase: false, ...rest }).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isNegated(condition: Condition): boolean {
  return condition.negate === true;
}

/** A name for a condition that is the same for those that judge every context alike. */
export function conditionKey(condition: Condition): string {
  return `${isNegated(condition) ? 'not ' : ''}${essence(condition)}`;
}

/** What a condition asks about: only conditions of one subject say anything of each other. */
export function subjectOf(condition: Condition): string {
  return 'cohorts' in condition ? 'cohorts' : `attribute ${condition.attribute}`;
}

/** A half-line: `at` is its end, which belongs to it or not. */
type Line = { readonly of: string; readonly isUp: boolean; readonly isClosed: boolean; readonly at: number | string };

/** What a condition asks, its negation aside: a question of this subject with any of these values. */
type Question = {
  readonly subject: string;
  readonly values: ReadonlySet<string>;
  /** Of `in`: the same for values that one scalar may equal. */
  readonly alike: ReadonlySet<string>;
  readonly line: Line | undefined;
};

const SCALES = { number: finite, instant, version: semver };

/** The half-lines that operators ask for: on which scale, upwards or downwards, with their end or without. */
const ORDERS = new Map<string, readonly [scale: keyof typeof SCALES, isUp: boolean, isClosed: boolean]>([
  ['lt', ['number', false, false]],
  ['lte', ['number', false, true]],
  ['gt', ['number', true, false]],
  ['gte', ['number', true, true]],
  ['before', ['instant', false, false]],
  ['after', ['instant', true, false]],
  ['semver_lt', ['version', false, false]],
  ['semver_lte', ['version', false, true]],
  ['semver_gt', ['version', true, false]],
  ['semver_gte', ['version', true, true]],
]);

function lineOf({ attribute, operator, values }: Exclude<Condition, { readonly cohorts: unknown }>): Line | undefined {
  const order = ORDERS.get(operator);
  if (order === undefined || values.length !== 1) return undefined;
  const [scale, isUp, isClosed] = order;
  const at = SCALES[scale](values[0]);
  return at === undefined ? undefined : { of: JSON.stringify([attribute, scale]), isUp, isClosed, at };
}

/** Read once for each condition, which may have a thousand values. */
const questions = new WeakMap<Condition, Question>();

function questionOf(condition: Condition): Question {
  const known = questions.get(condition);
  if (known !== undefined) return known;
  const question = read(condition);
  questions.set(condition, question);
  return question;
}

function read(condition: Condition): Question {
  const alike = new Set<string>();
  if ('cohorts' in condition) return { subject: 'cohorts', values: new Set(condition.cohorts), alike, line: undefined };
  const { attribute, operator, ignoreCase = false } = condition;
  // A question whether something is there may come without values.
  const values = Object.hasOwn(condition, 'values') ? condition.values : [];
  const subject = JSON.stringify([attribute, operator, ignoreCase]);
  // 1 equals both "1" and "1.0", and true equals "true".
  for (const value of operator === 'in' ? values : []) alike.add(asText(finite(value) ?? value));
  return { subject, values: new Set(values.map((value) => JSON.stringify(value))), alike, line: lineOf(condition) };
}

function isWithin(narrow: Line, wide: Line): boolean {
  if (narrow.of !== wide.of || narrow.isUp !== wide.isUp) return false;
  if (narrow.at === wide.at) return wide.isClosed || !narrow.isClosed;
  return narrow.isUp ? narrow.at > wide.at : narrow.at < wide.at;
}

/** Whether an answer of yes to the one question means yes to the other. */
function means(narrow: Question, wide: Question): boolean {
  if (narrow.line !== undefined && wide.line !== undefined && isWithin(narrow.line, wide.line)) return true;
  if (narrow.subject !== wide.subject || narrow.values.size > wide.values.size) return false;
  return [...narrow.values].every((value) => wide.values.has(value));
}

/** True when whoever meets the narrow condition visibly meets the wide one: fewer values of the same, or a nearer limit. */
export function implies(narrow: Condition, wide: Condition): boolean {
  if (isNegated(narrow) !== isNegated(wide)) return false;
  const [one, other] = [questionOf(narrow), questionOf(wide)];
  return isNegated(wide) ? means(other, one) : means(one, other);
}

/** True when whoever meets the narrow conditions visibly meets the wide ones. */
export function covers(wide: readonly Condition[], narrow: readonly Condition[]): boolean {
  return wide.every((condition) => narrow.some((other) => implies(other, condition)));
}

/** Two lists for one attribute that have nothing in common; a list-valued attribute might meet both all the same. */
function areDisjoint(a: Condition, b: Condition): boolean {
  if ('cohorts' in a || 'cohorts' in b || a.attribute !== b.attribute) return false;
  if (a.operator !== 'in' || b.operator !== 'in' || isNegated(a) || isNegated(b)) return false;
  if (a.ignoreCase === true || b.ignoreCase === true) return false;
  const [one, other] = [questionOf(a).alike, questionOf(b).alike];
  return ![...one].some((value) => other.has(value));
}

/** True when no context can meet both conditions, because one denies what the other says. */
export function contradict(a: Condition, b: Condition): boolean {
  if (isNegated(a) === isNegated(b)) return false;
  const [denied, said] = isNegated(a) ? [a, b] : [b, a];
  return means(questionOf(said), questionOf(denied));
}

/** True when no context can visibly meet both, lists aside. */
export function areExclusive(a: Condition, b: Condition): boolean {
  return contradict(a, b) || areDisjoint(a, b);
}

/** True when the conditions visibly exclude each other. */
export function exclude(a: readonly Condition[], b: readonly Condition[]): boolean {
  return a.some((one) => b.some((other) => areExclusive(one, other)));
}

/** A name for a list of conditions that is the same for lists that judge alike, in whatever order. */
export function conditionsKey(conditions: readonly Condition[]): string {
  return [...new Set(conditions.map(conditionKey))].sort().join('\n');
}
