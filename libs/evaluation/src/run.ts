import type { EvaluationMetadata } from './evaluation.js';
import { ownOr } from './json.js';
import type { JsonRecord } from './json.js';
import { murmur3 } from './murmur3.js';

/** Kleene's third value is undefined: what is not known. */
export type Truth = boolean | undefined;

/** A compiled part of a document: judges the context of a run. It throws when the document turns out to be broken. */
export type Step<R> = (context: JsonRecord, run: Run) => R;

/** A compiled condition, or a gate where it is no more than one. */
export type Test = Step<Truth>;

/** A time in epoch milliseconds, or a clock that is read when and if somebody asks: reading one costs more than most flags. */
export type Now = number | (() => number);

/** What happens at one time. */
export type Timed = { now: Now };

/** The time of a run in epoch milliseconds. A clock is read once, so that all of a run happens at one time. */
export function timeOf(run: Timed): number {
  if (typeof run.now !== 'number') run.now = run.now();
  return run.now;
}

/**
 * What one evaluation finds out on its way. One object serves all evaluations of an evaluator, in turn; the context is
 * no part of it, as writing a young object into an old one costs the garbage collector more than passing it on.
 */
export type Run = Timed & {
  /** Tells one evaluation's memory of a flag or cohort from the last one's. */
  id: number;
  /** How many prerequisites and cohorts the evaluation is inside of. */
  depth: number;
  /** What the answer's metadata say beside what is known when a flag is compiled. */
  extra: EvaluationMetadata | undefined;
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

/** True when all tests are; else what the first that is not true says. Later ones are not met. */
export function all(tests: readonly Test[], context: JsonRecord, run: Run): Truth {
  for (const test of tests) {
    const truth = test(context, run);
    if (truth !== true) return truth;
  }
  return true;
}

/** True when any test is; else unknown when one is, else false. Tests after one that is true are not met. */
export function some(tests: readonly Test[], context: JsonRecord, run: Run): Truth {
  let truth: Truth = false;
  for (const test of tests) {
    const one = test(context, run);
    if (one === true) return true;
    if (one === undefined) truth = undefined;
  }
  return truth;
}

/** A test of a kind that this evaluator does not know: never true, even negated. */
export const never = (): undefined => undefined;

/**
 * The field of a document, or its default when it is absent. Throws the field's name when it is of a wrong type, which
 * `deferred` keeps until evaluation meets it and `evaluate` turns into PARSE_ERROR.
 */
export function need<T>(document: unknown, name: string, is: (value: unknown) => value is T, absent?: unknown): T {
  const value = ownOr(document, name, absent);
  if (!is(value)) throw new TypeError(name);
  return value;
}

/** What a part comes to in every context, or a step that finds out. */
export type Part<R> = R | Step<R>;

/** What a part comes to in this context: for most flags a look at a constant, where calling a step costs five times as much. */
export function resolve<R>(part: Part<R>, context: JsonRecord, run: Run): R {
  return isStep(part) ? part(context, run) : part;
}

function isStep<R>(part: Part<R>): part is Step<R> {
  return typeof part === 'function';
}

/** Compiles now; what is broken is thrown when and if the part is met: what is not met does not matter. */
export function deferred<T>(compile: () => T): T | Step<never> {
  try {
    return compile();
  } catch (problem) {
    return () => {
      throw problem;
    };
  }
}
