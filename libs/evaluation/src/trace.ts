/** What a condition, gate, rule or cohort said of the context. */
export type Verdict = 'true' | 'false' | 'unknown';

/** A unit's place: which attribute is bucketed, what it holds, and where that lies under the salt (0 to 2^32 − 1). */
export type DrawTrace = {
  readonly bucketBy: string;
  /** Null: the context has no unit, and nothing is decided. */
  readonly unit: string | null;
  readonly salt: string;
  readonly bucket: number | null;
};

/** A gate that was looked at. */
export type GateTrace = DrawTrace & {
  readonly percentage: number;
  /** Buckets below it are let in. */
  readonly threshold: number;
  readonly admits: Verdict;
  /** The smallest percentage, to three decimals, that lets the unit in. */
  readonly inFrom: number | null;
};

/** A split that was looked at: the smallest score, exponential over weight, wins. */
export type SplitTrace = DrawTrace & {
  readonly scores: readonly {
    readonly variant: string;
    readonly weight: number;
    readonly exponential: number;
    readonly score: number;
  }[];
  readonly variant: string | null;
};

/** A condition that was looked at. */
export type ConditionTrace = {
  readonly result: Verdict;
  readonly negate?: true;
} & (
  | {
      readonly attribute: string;
      readonly operator: string;
      readonly ignoreCase?: true;
      readonly expected: readonly unknown[];
      /** Absent when the attribute is. */
      readonly actual?: unknown;
    }
  | { readonly cohorts: readonly CohortTrace[] }
);

/** A cohort that was looked at, and its own rules as far as they were. */
export type CohortTrace = {
  readonly cohort: string;
  readonly member: Verdict;
  /** `elsewhere`: it is explained at another place of this trace. */
  readonly decidedBy: 'missing' | 'excluded' | 'included' | 'rules' | 'elsewhere';
  readonly unit?: string | null;
  readonly rules?: readonly CohortRuleTrace[];
};

export type CohortRuleTrace = {
  readonly conditions: readonly ConditionTrace[];
  readonly gate?: GateTrace;
  readonly result: Verdict;
};

/** One step of an evaluation, in the order in which they were made. */
export type TraceStep =
  | { readonly step: 'flag'; readonly flag: string; readonly state: 'missing' | 'disabled' | 'enabled' }
  | {
      readonly step: 'prerequisite';
      readonly flag: string;
      readonly variants: readonly string[];
      /** What it serves; null for the caller's default, for a missing flag and for one that is off. */
      readonly serves: string | null;
      readonly holds: boolean;
      /** Absent when it is explained at another place of this trace. */
      readonly trace?: readonly TraceStep[];
    }
  | {
      readonly step: 'rule';
      readonly rule: string;
      readonly enabled: boolean;
      readonly conditions: readonly ConditionTrace[];
      readonly gate?: GateTrace;
      readonly split?: SplitTrace;
      /** Null: the rule does not apply. */
      readonly serves: string | null;
    }
  | { readonly step: 'fallthrough'; readonly split?: SplitTrace; readonly serves: string | null }
  | { readonly step: 'off'; readonly serves: string | null }
  /** Something broken was met: the answer is PARSE_ERROR. */
  | { readonly step: 'broken'; readonly message: string };
