import type { Evidence } from './evidence.js';

/** Where a rollout stands. */
export type Progress = {
  /** `completed`: within its watch. */
  readonly state: 'running' | 'paused' | 'completed';
  readonly phase: 'warmup' | 'baking' | 'awaiting_gate';
  /** Counts from 0. */
  readonly stage: number;
  /** The bake (in the warm-up: the warm-up) so far, in ms, `bakeStep` of this tick not included; for `completed`: the watch so far. */
  readonly bakedMs: number;
  readonly evidence: Evidence;
  /** Indices of guardrails that an operator promoted over: they only warn from then on. */
  readonly overridden: readonly number[];
};

/** What is known in this tick besides the evidence. */
export type Observation = {
  /** A window of the current epoch with both arms was read in this tick (in the watch: with the canary's). */
  readonly fresh: boolean;
  readonly killed: boolean;
  /** The comment of an operator who asked for a rollback; null: nobody did. */
  readonly rollback: { readonly comment: string } | null;
  /** Words of outside judges that are still valid. */
  readonly verdicts: readonly OutsideVerdict[];
  /** Whether each of `gatesAhead` is open, in its order; of calendar windows nothing is asked. */
  readonly gates: readonly boolean[];
};

/** An outside judge's word. */
export type OutsideVerdict = {
  readonly source: string;
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  readonly reason: string;
};

/** Why a decision was taken; machines read the code, people the sentence. */
export type Reason = {
  readonly code: ReasonCode;
  /** One sentence with figures. */
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
  | 'guardrail_hold'
  | 'arms_differ'
  | 'sample_ratio'
  | 'no_data'
  | 'reports_missing'
  | 'not_instrumented'
  | 'learning'
  | 'paused'
  | 'warming_up'
  | 'baking'
  | 'min_samples'
  | 'not_powered'
  | 'not_proven'
  | 'inconclusive'
  | 'gate_window'
  | 'gate_webhook'
  | 'awaiting_approval'
  | 'watching'
  | 'watch_over'
  | 'warmed_up'
  | 'stage_passed';

/** A guardrail's standing: ln E now and at its highest against ln of its limit; null where chance is not reckoned. */
export type GuardrailCheck = {
  readonly guardrail: number;
  /** "errors", "latency p95", "latency mean", "errors limit 5 %". */
  readonly name: string;
  readonly metric: string;
  readonly action: 'rollback' | 'hold' | 'warn';
  readonly lnE: number | null;
  readonly maxLnE: number | null;
  readonly limit: number | null;
  /** Observations and failures so far, in the counting mode. */
  readonly canary: { readonly n: number; readonly k: number };
  readonly baseline: { readonly n: number; readonly k: number };
  /** T in ms, where there is one. */
  readonly over: number | null;
  readonly dispersion: number | null;
  /** `fail`: at its limit, floors met; `inconclusive`: learning or without a block. */
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
};

/** What is to be done, and why. */
export type Decision = {
  /** `advance` goes to stage `to`; `complete` goes to `to` if that is a stage of 100, or ends the watch. */
  readonly action: 'advance' | 'hold' | 'rollback' | 'complete';
  /** The step of the order at which it stood, 1 to 9. */
  readonly step: number;
  /** The phase the rollout is in after a hold. */
  readonly phase: Progress['phase'];
  /** The stage that an advance or a completion enters. */
  readonly to: number | null;
  /** Whether `bakeStep` of this tick counts. */
  readonly bakes: boolean;
  /** The most important first; never empty. */
  readonly reasons: readonly Reason[];
  /** The first reason's sentence. */
  readonly why: string;
  /** maxBake is over while samples or evidence are lacking. */
  readonly inconclusive: boolean;
  readonly checks: readonly GuardrailCheck[];
};
