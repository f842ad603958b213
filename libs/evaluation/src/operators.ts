import { address, inRange, range } from './address.js';
import type { Operator } from './flag.js';
import { instant } from './instant.js';
import { isScalar } from './json.js';
import { patternFault } from './pattern.js';
import type { Truth } from './run.js';
import { caret, inSeries, semver, tilde } from './semver.js';
import { fold, jsonNumber } from './text.js';

/** Judges one element of an attribute against all values of a condition. */
type Match = (element: unknown) => Truth;

/** An operator before it is given its values. */
type Compile = (values: readonly unknown[], ignoreCase: boolean) => Match;

/** Texts longer than this, in UTF-16 code units, are unknown to `matches`. */
const LONGEST_MATCHED = 4_096;

type Read<T> = (value: unknown, ignoreCase: boolean) => T | undefined;

/** True if the relation holds for any value; unknown if the element or, failing that, any value cannot be read. */
function anyOf<Actual extends string | number, Expected extends object | string | number>(
  readActual: Read<Actual>,
  readExpected: Read<Expected>,
  relation: (actual: Actual, expected: Expected) => boolean,
): Compile {
  return (values, ignoreCase) => {
    const expected = values.map((value) => readExpected(value, ignoreCase)).filter((value) => value !== undefined);
    const otherwise = expected.length === values.length ? false : undefined;
    return (element) => {
      const actual = readActual(element, ignoreCase);
      if (actual === undefined) return undefined;
      for (const value of expected) if (relation(actual, value)) return true;
      return otherwise;
    };
  };
}

function text(value: unknown, ignoreCase: boolean): string | undefined {
  if (typeof value !== 'string') return undefined;
  return ignoreCase ? fold(value) : value;
}

/** A finite number, or a string that is one in JSON's grammar. */
export function finite(value: unknown): number | undefined {
  const number = typeof value === 'string' ? jsonNumber(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** The regular expression of a pattern of the portable subset; undefined outside it. */
function regularExpression(pattern: unknown, ignoreCase: boolean): RegExp | undefined {
  const allowed = typeof pattern === 'string' && patternFault(pattern) === undefined;
  return allowed ? RegExp(pattern, ignoreCase ? 'iu' : 'u') : undefined;
}

/**
 * Equal to one value, in time independent of how many there are. A number equals the strings that write it, a boolean
 * the string of its name, and strings equal strings only literally, so `1` is `"1.0"` and `"1"` is not.
 */
const isIn: Compile = (values, ignoreCase) => {
  const exact = new Set<unknown>();
  const numbers = new Set<unknown>();
  const folded = new Set<unknown>();
  for (const value of values.filter(isScalar)) {
    exact.add(value);
    if (typeof value === 'boolean') exact.add(String(value));
    if (typeof value === 'number') numbers.add(value);
    if (typeof value !== 'string') continue;
    if (ignoreCase) folded.add(fold(value));
    exact.add(finite(value) ?? value);
    if (value === 'true' || value === 'false') exact.add(value === 'true');
  }
  // A short list is searched faster, and a thousand of them fit the cache where sets do not.
  const few = exact.size > 8 ? undefined : [...exact];
  const isExact = few === undefined ? (element: unknown) => exact.has(element) : undefined;
  const loose = numbers.size + folded.size > 0 ? { numbers, folded } : undefined;
  const otherwise = values.every(isScalar) ? false : undefined;
  return (element) => {
    if (few === undefined ? isExact?.(element) : few.includes(element)) return true;
    if (typeof element !== 'string') return isScalar(element) ? otherwise : undefined;
    if (loose === undefined) return otherwise;
    return loose.numbers.has(jsonNumber(element)) || loose.folded.has(fold(element)) ? true : otherwise;
  };
};

type Ordered = (actual: string | number, expected: string | number) => boolean;
const equal: Ordered = (actual, expected) => actual === expected;
const less: Ordered = (actual, expected) => actual < expected;
const lessOrEqual: Ordered = (actual, expected) => actual <= expected;
const greater: Ordered = (actual, expected) => actual > expected;
const greaterOrEqual: Ordered = (actual, expected) => actual >= expected;

function ordered(read: Read<string | number>, relation: Ordered): Compile {
  return anyOf(read, read, relation);
}

const MATCHERS: Readonly<Record<Exclude<Operator, 'exists'>, Compile>> = {
  in: isIn,
  contains: anyOf(text, text, (actual, expected) => actual.includes(expected)),
  starts_with: anyOf(text, text, (actual, expected) => actual.startsWith(expected)),
  ends_with: anyOf(text, text, (actual, expected) => actual.endsWith(expected)),
  matches: anyOf(
    (element) => (typeof element === 'string' && element.length <= LONGEST_MATCHED ? element : undefined),
    regularExpression,
    (actual, expected) => expected.test(actual),
  ),
  num_eq: ordered(finite, equal),
  lt: ordered(finite, less),
  lte: ordered(finite, lessOrEqual),
  gt: ordered(finite, greater),
  gte: ordered(finite, greaterOrEqual),
  before: ordered(instant, less),
  after: ordered(instant, greater),
  semver_eq: ordered(semver, equal),
  semver_lt: ordered(semver, less),
  semver_lte: ordered(semver, lessOrEqual),
  semver_gt: ordered(semver, greater),
  semver_gte: ordered(semver, greaterOrEqual),
  semver_caret: anyOf(semver, caret, inSeries),
  semver_tilde: anyOf(semver, tilde, inSeries),
  cidr: anyOf(address, range, inRange),
};

function isMatcher(operator: string): operator is keyof typeof MATCHERS {
  return Object.hasOwn(MATCHERS, operator);
}

/** What an operator means; undefined for `exists`, which asks about the attribute and not its elements, and for unknown ones. */
export function matcher(operator: string): Compile | undefined {
  return isMatcher(operator) ? MATCHERS[operator] : undefined;
}
