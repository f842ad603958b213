import type { JsonValue } from './context.js';

/** The type every variant of a flag has; `object` is a JSON object or array, never null. */
export type FlagType = 'boolean' | 'string' | 'number' | 'object';

/** A flag as one environment serves it: its project-wide part joined with that environment's targeting. */
export type Flag = {
  readonly key: string;
  readonly type: FlagType;
  readonly enabled: boolean;
  /** Named values, all of the flag's type. The keys are hashed by splits and therefore never renamed. */
  readonly variants: Readonly<Record<string, JsonValue>>;
  /** Served while disabled or while a prerequisite fails; null means the caller's default. */
  readonly offVariant: string | null;
  readonly prerequisites: readonly Prerequisite[];
  /** In order: the first that applies decides. */
  readonly rules: readonly Rule[];
  /** Served when no rule applies; null means the caller's default. */
  readonly fallthrough: Serve | null;
  readonly metadata?: Readonly<Record<string, string | number | boolean>>;
  readonly measure?: Measure;
};

/** Holds when `flag` is enabled, its own prerequisites hold and it serves one of `variants` to the same context. */
export type Prerequisite = { readonly flag: string; readonly variants: readonly string[] };

/** Applies when all its conditions are true and its gate lets the unit in. */
export type Rule = {
  readonly id: string;
  readonly description?: string;
  /** Default true. */
  readonly enabled?: boolean;
  readonly conditions: readonly Condition[];
  readonly gate?: Gate;
  readonly serve: Serve;
  readonly measure?: Measure;
};

/** A percentage that lets in: 0 to 100 with at most three decimals. */
export type Gate = {
  readonly percentage: number;
  /** The attribute that is bucketed; default `targetingKey`. */
  readonly bucketBy?: string;
  /** Default: the flag's key, in a cohort `cohort:<key>`. */
  readonly salt?: string;
  /** The variant for a unit that is kept out; without it such a unit goes on to the next rule. */
  readonly otherwise?: string;
  readonly bucketing?: 1;
};

/** One variant, or a split between several. */
export type Serve = { readonly variant: string } | Split;

/** Weighted variants; weights are integers from 0 to 100,000, relative to their sum. */
export type Split = {
  readonly split: readonly { readonly variant: string; readonly weight: number }[];
  readonly bucketBy?: string;
  readonly salt?: string;
  readonly bucketing?: 1;
};

/** True, false or unknown for a context; only true makes a rule apply. */
export type Condition = AttributeCondition | CohortCondition;

export type AttributeCondition = {
  readonly attribute: string;
  readonly operator: Operator;
  readonly values: readonly JsonValue[];
  readonly negate?: boolean;
  readonly ignoreCase?: boolean;
};

/** True when the unit is in any of the cohorts named. */
export type CohortCondition = { readonly cohorts: readonly string[]; readonly negate?: boolean };

export const OPERATORS = [
  'in',
  'contains',
  'starts_with',
  'ends_with',
  'matches',
  'num_eq',
  'lt',
  'lte',
  'gt',
  'gte',
  'before',
  'after',
  'semver_eq',
  'semver_lt',
  'semver_lte',
  'semver_gt',
  'semver_gte',
  'semver_caret',
  'semver_tilde',
  'cidr',
  'exists',
] as const;

export type Operator = (typeof OPERATORS)[number];

/** A canary rollout's mark: evaluation copies rollout, epoch and arm into the metadata and is otherwise blind to it. */
export type Measure = {
  readonly rollout: string;
  readonly epoch: number;
  readonly canary: string;
  readonly baseline: string;
  /** Where the arms are split: a unit whose bucket is below this percentage's threshold is in the canary arm. */
  readonly percentage: number;
  readonly metrics: Readonly<
    Record<string, { readonly count: 'unit_window' | 'first_failure' | 'request'; readonly over?: number }>
  >;
};
