import { attribute, read } from './attribute.js';
import { isBoolean, isList, isRecord, isScalar, isText, own } from './json.js';
import { matcher } from './operators.js';
import { deferred, need, never, some } from './run.js';
import type { Test } from './run.js';

function isTexts(value: unknown): value is readonly string[] {
  return isList(value) && value.every(isText);
}

function attributeTest(condition: unknown, compile: ReturnType<typeof matcher>): Test {
  const subject = attribute(need(condition, 'attribute', isText));
  if (compile === undefined) return (context, run) => (read(subject, context, run) ?? null) !== null;
  const values = need(condition, 'values', isList);
  const match = compile(values, need(condition, 'ignoreCase', isBoolean, false));
  const none = values.length === 0;
  return (context, run) => {
    const actual = read(subject, context, run);
    if (typeof actual === 'object' && isList(actual))
      return some(none ? [] : actual.map((element) => () => match(element)), context, run);
    return none && isScalar(actual) ? false : match(actual);
  };
}

function cohortTest(condition: unknown): Test {
  const tests = need(condition, 'cohorts', isTexts).map(
    (key): Test =>
      (context, run) =>
        run.inCohort(key, context),
  );
  return (context, run) => some(tests, context, run);
}

/** Compiles one condition; throws when it is broken. */
export function compileCondition(condition: unknown): Test {
  const grouped = own(condition, 'cohorts') !== undefined;
  // An object with neither cohorts nor operator is a condition of a later version, and so is an unknown operator.
  const operator = grouped ? '' : need(condition, 'operator', isText, isRecord(condition) ? '' : undefined);
  const compile = matcher(operator);
  if (!grouped && operator !== 'exists' && compile === undefined) return never;
  const negate = need(condition, 'negate', isBoolean, false);
  const test = grouped ? cohortTest(condition) : attributeTest(condition, compile);
  if (!negate) return test;
  return (context, run) => {
    const truth = test(context, run);
    return truth === undefined ? undefined : !truth;
  };
}

/** Compiles conditions: once, so that evaluating them neither parses nor allocates. Throws when they are no list. */
export function compileConditions(document: unknown): Test[] {
  return need(document, 'conditions', isList).map((condition) => deferred(() => compileCondition(condition)));
}
