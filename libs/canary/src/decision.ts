import type { Evidence } from './evidence.js';
import type { Action } from './plan.js';
import type { Tally } from './sums.js';

/** Where a rollout stands. */
export type Progress = {
  /** `completed`: within its watch. */
  readonly state: 'running' | 'paused' | 'completed';
  /** The bake of this stage so far in ms (the warm-up's, the watch's): the sum of `bakeStep` over the ticks that `bakes`. */
  readonly bakedMs: number;
  /** Says the phase and the stage, too. */
  readonly evidence: Evidence;
  /** Indices of guardrails that an operator promoted over: they only warn from then on. */
  readonly overridden: readonly number[];
};

/** What is known in this tick besides the evidence. */
export type Observation = {
  /** A window of the current epoch with both arms (in the watch: the canary) was read in this tick. */
  readonly fresh: boolean;
  /** The flag is disabled. */
  readonly killed: boolean;
  /** An operator asks for a rollback. */
  readonly rollback: { readonly by: string; readonly comment: string } | null;
  /** Words of outside judges that are still valid. */
  readonly verdicts: readonly OutsideVerdict[];
  /** Whether each of `gatesAhead` is open, in its order; what is said of calendar windows is not read. */
  readonly gates: readonly boolean[];
};

/** An outside judge's word. */
export type OutsideVerdict = {
  readonly source: string;
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  readonly reason: string;
};

/** Why a decision was taken: the code for machines, one sentence with figures for people. */
export type Reason = {
  readonly code: ReasonCode;
  readonly message: string;
  /** The guardrail's index in the plan, where one is meant. */
  readonly guardrail?: number;
};

export type ReasonCode =
  | 'kill_switch'
  | 'manual'
  | 'external_verdict'
  | 'guardrail'
  | 'point_limit'
  | 'paused'
  | 'guardrail_hold'
  | 'arms_differ'
  | 'sample_ratio'
  | 'not_instrumented'
  | 'reports_missing'
  | 'no_data'
  | 'learning'
  | 'no_stage'
  | 'warming_up'
  | 'baking'
  | 'watching'
  | 'min_samples'
  | 'not_powered'
  | 'not_proven'
  | 'inconclusive'
  | 'gate_window'
  | 'gate_webhook'
  | 'awaiting_approval'
  | 'warmed_up'
  | 'stage_passed'
  | 'watch_over';

/** How a guardrail stands. */
export type GuardrailCheck = {
  /** Its index in the plan. */
  readonly guardrail: number;
  /** "errors", "latency p95", "latency mean", "errors limit". */
  readonly name: string;
  readonly metric: string;
  readonly action: Action;
  /** ln E now and at its highest, and the limit for it (at its highest where it rolls back); null before the first block and for point limits. */
  readonly lnE: number | null;
  readonly maxLnE: number | null;
  readonly limit: number | null;
  /** Observations and failures so far, in the counting mode. */
  readonly canary: Tally;
  readonly baseline: Tally;
  /** T in ms, the dispersion φ, and a point limit's newest figure, where there is one. */
  readonly over: number | null;
  readonly dispersion: number | null;
  readonly newest: number | null;
  /** `fail`: at its limit with its floors met; `inconclusive`: learning, or without a block. */
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
};

/** What is to be done, and why. */
export type Decision = {
  /** `advance` enters a stage below 100; `complete` enters a stage of 100, ends the plan, or ends the watch. */
  readonly action: 'advance' | 'hold' | 'rollback' | 'complete';
  /** The step of the order (1 to 9) that decided. */
  readonly step: number;
  /** The stage that is entered; null when none is. */
  readonly to: number | null;
  /** Whether this tick's `bakeStep` counts. */
  readonly bakes: boolean;
  /** Everything else is open and only gates are closed: the rollout is `awaiting_gate`. */
  readonly awaitsGate: boolean;
  /** maxBake is over while samples or evidence are lacking. */
  readonly inconclusive: boolean;
  /** The most important first; never empty. */
  readonly reasons: readonly Reason[];
  /** The first reason's sentence. */
  readonly why: string;
  readonly checks: readonly GuardrailCheck[];
};
