import type { Condition, Gate } from './flag.js';

/** A reusable, named set of units: excluded keys are out, then included keys are in, then a rule may let in. */
export type Cohort = {
  readonly key: string;
  /** What the lists hold; default `targetingKey`. */
  readonly attribute?: string;
  readonly included: readonly string[];
  readonly excluded: readonly string[];
  readonly rules: readonly CohortRule[];
};

export type CohortRule = { readonly conditions: readonly Condition[]; readonly gate?: Gate };
