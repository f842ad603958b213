import type { JsonRecord } from './json.js';
import { murmur3 } from './murmur3.js';

/** Kleene's third value is undefined: what is not known. */
export type Truth = boolean | undefined;

/** A compiled condition, gate or cohort: judges the context of a run. */
export type Test = (context: JsonRecord, run: Run) => Truth;

/** Prerequisites and cohorts nested deeper than this are broken, so that no document can exhaust the stack. */
export const MAX_DEPTH = 100;

/**
 * What one evaluation finds out on its way. One object serves all evaluations of an evaluator, in turn; the context is
 * no part of it, as writing a young object into an old one costs the garbage collector more than passing it on.
 */
export type Run = {
  /** Tells one evaluation's memory of a flag or cohort from the last one's. */
  id: number;
  now: number;
  depth: number;
  /** What is wrong with a document that was met: ends the evaluation with PARSE_ERROR. */
  broken: string | undefined;
  /** The `bucketBy` of the first gate or split that was passed over for want of a unit. */
  unitMissing: string | undefined;
  /** The direct prerequisite that does not hold. */
  prerequisiteFailed: string | undefined;
  /** The unit hashed last: one string hash serves a unit for all flags. */
  unit: string;
  unitHash: number;
  /** Whether the unit is in the cohort of that key. */
  readonly inCohort: (key: string, context: JsonRecord) => Truth;
  /** The variant that the flag of that key serves; undefined when it is missing, disabled or serves none. */
  readonly variantOf: (key: string, context: JsonRecord) => string | undefined;
};

/** The hash of a unit as a signed integer, computed only when the unit is another than last time. */
export function unitHash(run: Run, unit: string): number {
  if (unit !== run.unit) {
    run.unit = unit;
    run.unitHash = murmur3(unit) | 0;
  }
  return run.unitHash;
}

/** A test that finds its document broken when it is met. */
export function breaks(message: string): (context: JsonRecord, run: Run) => undefined {
  return (_context, run) => {
    run.broken ??= message;
    return undefined;
  };
}

/** A test of a kind that this evaluator does not know: never true, even negated. */
export const never = (): undefined => undefined;

/** True when all tests are; else what the first that is not true says. Later ones are not met. */
export function all(tests: readonly Test[], context: JsonRecord, run: Run): Truth {
  for (const test of tests) {
    const truth = test(context, run);
    if (truth !== true) return truth;
  }
  return true;
}
