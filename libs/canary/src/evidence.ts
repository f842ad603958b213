import type { Moments, Window } from './sums.js';
import type { Arm } from './sums.js';
import type { Sketch } from './sketch.js';
import type { Count, Plan } from './plan.js';

/** An e-process as it is kept: ln of the mixture's parts, and ln E now and at its highest; null before the first block. */
export type Process = {
  readonly blocks: number;
  readonly lnR: readonly number[];
  readonly lnE: number | null;
  readonly maxLnE: number | null;
};

/** Observations and failures in a guardrail's counting mode. */
export type Tally = { readonly n: number; readonly k: number };

/** Evidence of a guardrail that tests a share: rate, quantile, or a limit's rate. */
export type TestedEvidence = {
  readonly kind: 'tested';
  /** T in ms; null for rates, and while a quantile is learning. */
  readonly over: number | null;
  /** The first epoch whose sums this guardrail can read; null while a quantile is learning. */
  readonly since: number | null;
  /** Control's latencies while T is learned. */
  readonly learning: Sketch | null;
  /** The baseline's rate from the past, k of n with forgetting. */
  readonly past: { readonly k: number; readonly n: number };
  /** Control in the warm-up. */
  readonly warmup: Tally;
  /** The absolute margin in force. */
  readonly absolute: number;
  readonly process: Process;
  /** Whether the canary is proven safe in this stage. */
  readonly proven: { readonly lnS: readonly number[]; readonly maxLnE: number | null };
  /** Observations and failures by unit group, both arms, all windows so far. */
  readonly groups: { readonly N: readonly number[]; readonly K: readonly number[] };
  readonly totals: Readonly<Record<Arm, Tally>>;
  /** What the floors ask for, of the canary: failures, requests, units that failed, and windows read. */
  readonly seen: {
    readonly failures: number;
    readonly requests: number;
    readonly units: number;
    readonly windows: number;
  };
  /** The canary's observations in this stage, in the counting mode. */
  readonly stage: number;
};

/** Evidence of a guardrail on the mean of ln(ms). */
export type MeanEvidence = {
  readonly kind: 'mean';
  readonly blocks: number;
  /** Σ w (ȳ_c − ȳ_b − ln(1 + margin)), and Σ w² / n of each arm. */
  readonly sum: number;
  readonly weights: Readonly<Record<Arm, number>>;
  /** Within-block squares and their degrees of freedom. */
  readonly squares: Readonly<Record<Arm, { readonly m2: number; readonly df: number }>>;
  readonly moments: Readonly<Record<Arm, Moments>>;
  /** Frozen at activation; null before. */
  readonly rho: number | null;
  readonly lnE: number | null;
  readonly maxLnE: number | null;
};

/** Evidence of a point limit: the last n windows with enough requests, oldest first. */
export type PointEvidence = {
  readonly kind: 'point';
  readonly beyond: readonly boolean[];
  /** The canary's newest figure: a rate or milliseconds. */
  readonly newest: number | null;
};

export type GuardrailEvidence = TestedEvidence | MeanEvidence | PointEvidence;

/** Whether the arms get their planned shares of the units. */
export type RatioEvidence = {
  readonly canary: number;
  readonly baseline: number;
  readonly groups: { readonly N: readonly number[]; readonly K: readonly number[] };
  readonly lnE: number;
  readonly alert: boolean;
  /** After an alert: when the fresh process began (ms), what it counted, and how many in a row stayed below 1. */
  readonly fresh: {
    readonly since: number;
    readonly canary: number;
    readonly baseline: number;
    readonly calm: number;
  } | null;
};

/**
 * All that a rollout has learned so far, as JSON: kept with the rollout, so that a restart changes nothing. To others than
 * this package it is one opaque value that comes from `startEvidence` and goes through `enterEpoch` and `observe`.
 */
export type Evidence = {
  readonly format: 1;
  /** H: over so many blocks half of the start weight is spread. */
  readonly horizon: number;
  readonly phase: 'warmup' | 'baking' | 'watch';
  readonly percentage: number;
  /** The epoch that counts now, since when (ms), the first one of this stage, and the first one that baked. */
  readonly epoch: number;
  readonly epochSince: number;
  readonly stageSince: number;
  readonly bakingSince: number | null;
  readonly guardrails: readonly GuardrailEvidence[];
  readonly ratio: RatioEvidence;
  /** Of this stage: the canary's requests, and (of this epoch) first exposures. */
  readonly stage: { readonly requests: number; readonly units: number };
  /** The end (ms) of the newest read window of this epoch with both arms; null: none yet. */
  readonly lastBlock: number | null;
  /** Both arms' requests per ms, lately, and the start of the newest window read. */
  readonly traffic: { readonly rate: number; readonly at: number | null };
  /** Active units of the last joined windows of this epoch with enough expected, oldest first. */
  readonly joined: readonly { readonly active: number; readonly expected: number }[];
  /** Per metric of the plan: requests of both arms in this epoch; and first exposures of both arms. */
  readonly instrumented: Readonly<Record<string, number>>;
  readonly exposed: number;
  /** Acknowledged by an operator: until the next stage nothing holds for it. */
  readonly acknowledged: readonly Alarm[];
};

/** What an operator may acknowledge: the arms differ before anything is served, or do not get their shares. */
export type Alarm = 'arms_differ' | 'sample_ratio';

/** What a rollout's mark says of its metrics: how observations are counted, and T in ms where there is one. */
export type MarkedMetrics = Readonly<Record<string, { readonly count: Count; readonly over?: number }>>;

/** A change of the rule: from now on (ms) reports carry this epoch. The stage counts from 0. */
export type NewEpoch = {
  readonly epoch: number;
  readonly now: number;
  readonly at: 'warmup' | 'watch' | { readonly stage: number };
};

/** No evidence yet: for a rollout whose rule was just written, in the warm-up or, without one, in stage 0. */
export function startEvidence(_plan: Plan, _epoch: NewEpoch): Evidence {
  throw new Error('not written yet');
}

/**
 * The evidence with a window more. Pure and restart-safe; windows are given once each, in the order in which they were read.
 * Windows of earlier epochs count as evidence, never for samples or freshness; blocks of the warm-up never enter a guardrail's E.
 */
export function observe(_plan: Plan, _evidence: Evidence, _window: Window): Evidence {
  throw new Error('not written yet');
}

/** What the mark must say when the rule is written next: with T for every quantile that has one or has now learned it. */
export function markedMetrics(_plan: Plan, _evidence?: Evidence): MarkedMetrics {
  throw new Error('not written yet');
}

/** True when a quantile has learned its T: the rule is to be written again with `markedMetrics`, in the same stage. */
export function hasLearned(_plan: Plan, _evidence: Evidence): boolean {
  throw new Error('not written yet');
}

/**
 * The evidence after the rule was written: T is frozen where it was learned, the end of the warm-up fixes the baseline's
 * rate, a new stage starts its samples and its proof anew, sample ratios start anew. E goes on.
 */
export function enterEpoch(_plan: Plan, _evidence: Evidence, _epoch: NewEpoch): Evidence {
  throw new Error('not written yet');
}

/** The evidence after an operator took note of an alarm: nothing holds for it until it rises again in the next epoch. */
export function acknowledge(_evidence: Evidence, _alarm: Alarm): Evidence {
  throw new Error('not written yet');
}
