import { attribute, read } from './attribute.js';
import { isRecord, isScalar, own } from './json.js';
import { matcher } from './operators.js';
import type { Match } from './operators.js';
import { breaks, never } from './run.js';
import type { Test, Truth } from './run.js';

/** Any element may satisfy: true if one does, else unknown if one is unknown, else false. */
function anyElement(actual: readonly unknown[], match: Match): Truth {
  let truth: Truth = false;
  for (const element of actual) {
    const one = match(element);
    if (one === true) return true;
    if (one === undefined) truth = undefined;
  }
  return truth;
}

function negated(test: Test): Test {
  return (context, run) => {
    const truth = test(context, run);
    return truth === undefined ? undefined : !truth;
  };
}

function cohortTest(cohorts: unknown): Test {
  if (!Array.isArray(cohorts) || !cohorts.every((key) => typeof key === 'string'))
    return breaks('expected "cohorts" of a condition to be a list of keys');
  return (context, run) => {
    let truth: Truth = false;
    for (const key of cohorts) {
      const one = run.inCohort(key, context);
      if (one === true || run.broken !== undefined) return one;
      if (one === undefined) truth = undefined;
    }
    return truth;
  };
}

const isOptionalFlag = (value: unknown): boolean => value === undefined || typeof value === 'boolean';

function attributeTest(condition: unknown): Test {
  const operator = own(condition, 'operator');
  if (typeof operator !== 'string') return breaks('expected "operator" of a condition to be text');
  const compile = matcher(operator);
  if (operator !== 'exists' && compile === undefined) return never;
  const name = own(condition, 'attribute');
  const values = own(condition, 'values');
  const ignoreCase = own(condition, 'ignoreCase');
  if (typeof name !== 'string') return breaks('expected "attribute" of a condition to be text');
  const subject = attribute(name);
  if (compile === undefined) return (context, run) => (read(subject, context, run.now) ?? null) !== null;
  if (!Array.isArray(values)) return breaks('expected "values" of a condition to be a list');
  if (!isOptionalFlag(ignoreCase)) return breaks('expected "ignoreCase" of a condition to be true or false');
  if (values.length === 0)
    return (context, run) => {
      const actual = read(subject, context, run.now);
      return isScalar(actual) || Array.isArray(actual) ? false : undefined;
    };
  const match = compile(values, ignoreCase === true);
  return (context, run) => {
    const actual = read(subject, context, run.now);
    return typeof actual === 'object' && Array.isArray(actual) ? anyElement(actual, match) : match(actual);
  };
}

/** Compiles a condition: once, so that evaluating it neither parses nor allocates. Broken ones say so when they are met. */
export function compileCondition(condition: unknown): Test {
  if (!isRecord(condition)) return breaks('expected a condition to be an object');
  const cohorts = own(condition, 'cohorts');
  if (cohorts === undefined && !Object.hasOwn(condition, 'operator')) return never;
  const test = cohorts === undefined ? attributeTest(condition) : cohortTest(cohorts);
  const negate = own(condition, 'negate');
  if (test !== never && !isOptionalFlag(negate)) return breaks('expected "negate" of a condition to be true or false');
  return negate === true ? negated(test) : test;
}

/** Compiles a list of conditions; one that is no list is broken when it is met. */
export function compileConditions(conditions: unknown): readonly Test[] {
  return Array.isArray(conditions) ? conditions.map(compileCondition) : [breaks('expected "conditions" to be a list')];
}
