import { address, range } from './address.js';
import { boundOf, checkBoolean, checkList, checkName, checkObject, refuse, unexpected } from './checks.js';
import type { Check, Report } from './checks.js';
import { OPERATORS } from './flag.js';
import type { Operator } from './flag.js';
import { instant } from './instant.js';
import { isList, isRecord, isScalar, isText, own } from './json.js';
import { finite } from './operators.js';
import { patternProblem } from './pattern-problem.js';
import type { DocumentLimits } from './problem.js';
import { semver } from './semver.js';

/** A further opinion on a pattern: why it is refused, or undefined. */
export type PatternCheck = (pattern: string) => string | undefined;

type Readable = { readonly is: (value: unknown) => boolean; readonly expected: string };

const TEXT: Readable = { is: isText, expected: 'a text' };
const NUMBER: Readable = {
  is: (value) => finite(value) !== undefined,
  expected: 'a number, or a text that is one in JSON',
};
const INSTANT: Readable = {
  is: (value) => instant(value) !== undefined,
  expected: 'a date-time with zone such as "2026-11-23T10:00:00Z" (RFC 3339), or integer epoch milliseconds',
};
const VERSION: Readable = {
  is: (value) => semver(value) !== undefined,
  expected: 'a version such as "1.4.0" or "2.0.0-rc.1" (SemVer 2.0.0)',
};
const RANGE: Readable = {
  is: (value) => range(value) !== undefined,
  expected: 'a range such as "10.0.0.0/8" or "2001:db8::/32"',
};

/** What each operator can read among its values. */
const READABLE: Readonly<Record<Exclude<Operator, 'exists'>, Readable>> = {
  in: { is: isScalar, expected: 'a text, a number, true or false' },
  contains: TEXT,
  starts_with: TEXT,
  ends_with: TEXT,
  matches: TEXT,
  num_eq: NUMBER,
  lt: NUMBER,
  lte: NUMBER,
  gt: NUMBER,
  gte: NUMBER,
  before: INSTANT,
  after: INSTANT,
  semver_eq: VERSION,
  semver_lt: VERSION,
  semver_lte: VERSION,
  semver_gt: VERSION,
  semver_gte: VERSION,
  semver_caret: VERSION,
  semver_tilde: VERSION,
  cidr: RANGE,
};

function readsValues(operator: unknown): operator is Exclude<Operator, 'exists'> {
  return isText(operator) && Object.hasOwn(READABLE, operator);
}

const checkOperator: Check = (value, pointer, report) => {
  if (value !== 'exists' && !readsValues(value))
    unexpected(report, pointer, 'unknown_operator', `one of ${OPERATORS.join(', ')}`, value);
};

function checkPatternValue(value: unknown, pointer: string, report: Report, further: PatternCheck | undefined): void {
  const problem = isText(value) ? (patternProblem(value) ?? further?.(value)) : undefined;
  if (problem !== undefined)
    refuse(
      report,
      pointer,
      'unsafe_pattern',
      `Expected a pattern of the portable subset; this one is refused: ${problem}.`,
    );
}

function valueCheck(operator: Exclude<Operator, 'exists'>, further: PatternCheck | undefined): Check {
  const { is, expected } = READABLE[operator];
  return (value, pointer, report) => {
    if (!is(value)) {
      const hint =
        operator === 'cidr' && address(value) !== undefined
          ? `${expected}; a single address needs /32 or /128`
          : expected;
      unexpected(report, pointer, 'unreadable_value', hint, value);
    } else if (operator === 'matches') checkPatternValue(value, pointer, report, further);
  };
}

function checkAttributeCondition(
  condition: unknown,
  pointer: string,
  report: Report,
  limits: DocumentLimits,
  further: PatternCheck | undefined,
): void {
  const operator = own(condition, 'operator');
  const checkValues: Check = (values, at) => {
    if (operator === 'exists') {
      if (!isList(values) || values.length > 0)
        unexpected(report, at, 'takes_no_values', 'an empty list after "exists"', values);
    } else {
      const check = readsValues(operator) ? valueCheck(operator, further) : () => undefined;
      checkList(values, at, report, boundOf(limits, 'valuesPerCondition'), check);
    }
  };
  const required = { attribute: checkName, operator: checkOperator };
  const optional = { negate: checkBoolean, ignoreCase: checkBoolean };
  if (operator === 'exists') checkObject(condition, pointer, report, required, { ...optional, values: checkValues });
  else checkObject(condition, pointer, report, { ...required, values: checkValues }, optional);
}

/** Checks the conditions of a rule. `checkCohort` judges the keys of cohorts. */
export function checkConditions(
  conditions: unknown,
  pointer: string,
  report: Report,
  limits: DocumentLimits,
  checkCohort: Check,
  further: PatternCheck | undefined,
): void {
  checkList(conditions, pointer, report, boundOf(limits, 'conditionsPerRule'), (condition, at) => {
    if (!isRecord(condition) || own(condition, 'cohorts') === undefined)
      checkAttributeCondition(condition, at, report, limits, further);
    else
      checkObject(
        condition,
        at,
        report,
        { cohorts: (keys, list) => checkList(keys, list, report, boundOf(limits, 'valuesPerCondition'), checkCohort) },
        { negate: checkBoolean },
      );
  });
}
