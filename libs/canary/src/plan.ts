import type { Duration } from './duration.js';

/** How a canary grows, what watches it, and how long; complete, as a rollout keeps it. `completePlan` fills it in. */
export type Plan = {
  /** In strictly rising percentages; a stage of 100 is the last and completes the rollout. */
  readonly stages: readonly Stage[];
  readonly guardrails: readonly Guardrail[];
  /** How long both arms get the baseline and are measured before anybody gets the canary; "0s": not at all. */
  readonly warmup: Duration;
  /** How long the absolute limits go on watching after completion. */
  readonly watch: Duration;
  /** The chance with which a canary that is no worse may be rolled back, over the whole rollout. */
  readonly alpha: number;
  /** How long what is reported is summed before it is read; at least 10 s. */
  readonly window: Duration;
};

/** One step of a plan. A stage of 100 has nothing to bake: "0s", no samples, no evidence, `hold`; its gates stand before it. */
export type Stage = {
  readonly percentage: number;
  readonly minBake: Duration;
  /** After so much baking a stage that still lacks samples or evidence is inconclusive. */
  readonly maxBake: Duration;
  readonly minSamples: MinSamples;
  readonly evidence: StageEvidence;
  readonly onInconclusive: OnInconclusive;
  /** What must be open before the rollout leaves this stage (at 100: before it enters it). */
  readonly gates: readonly StageGate[];
};

/** The least that a stage must have seen of the canary: requests, and first exposures of units. */
export type MinSamples = { readonly requests: number; readonly units: number };

/** What a stage must show beyond the absence of harm: nothing, enough samples to find `ratio` × the errors, or proof. */
export type StageEvidence =
  | 'none'
  | { readonly powered: { readonly ratio: number } }
  | { readonly proven: { readonly relative: number; readonly absolute: number } };

export const ON_INCONCLUSIVE = ['hold', 'advance', 'rollback'] as const;

/** What becomes of a stage whose maxBake is over while samples or evidence are lacking. */
export type OnInconclusive = (typeof ON_INCONCLUSIVE)[number];

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** A day of the week. */
export type Day = (typeof DAYS)[number];

/** Opens and closes by itself, on somebody's clock, or when somebody says so. */
export type StageGate = CalendarGate | WebhookGate | ApprovalGate;

/** Open from `from` (inclusive) to `to` (exclusive), "HH:MM" in an IANA time zone; `to` before `from` reaches into the next day. */
export type CalendarGate = {
  readonly type: 'window';
  readonly days: readonly Day[];
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
};

/** Open once the address has answered yes. */
export type WebhookGate = { readonly type: 'webhook'; readonly url: string };

/** Open once somebody approved; with `fourEyes` somebody else than who started the rollout. */
export type ApprovalGate = { readonly type: 'approval'; readonly fourEyes: boolean };

export const COUNTS = ['unit_window', 'first_failure', 'request'] as const;

/** What one observation is: a unit in a window, a unit until its first failure in an epoch, or a request. */
export type Count = (typeof COUNTS)[number];

export const ACTIONS = ['rollback', 'hold', 'warn'] as const;

/** What happens when a guardrail reaches its limit. */
export type Action = (typeof ACTIONS)[number];

/** How much worse the canary may be and still count as no worse: canary ≤ (1 + relative) × control + absolute. */
export type Margin = {
  readonly relative: number;
  /** Null: 0.0005, or a tenth of the rate in the warm-up if that is less. */
  readonly absolute: number | null;
};

/** What the canary must have shown over the whole rollout before a guardrail may roll it back. */
export type Floors = {
  readonly failures: number;
  readonly requests: number;
  readonly units: number;
  readonly windows: number;
};

/** What the guardrails that are tests of a share have in common. */
type Tested = {
  readonly metric: string;
  readonly action: Action;
  readonly count: Count;
  /** This guardrail's part of alpha, relative to the other guardrails that roll back. */
  readonly weight: number;
  readonly floors: Floors;
  /** The dispersion of sources that report no unit groups. */
  readonly dispersion: number;
};

/** The share of failures is not higher than control's. */
export type RateGuardrail = Tested & { readonly kind: 'rate'; readonly margin: Margin };

/** The share of requests slower than control's quantile is not higher than control's. */
export type QuantileGuardrail = Tested & {
  readonly kind: 'quantile';
  readonly margin: Margin;
  readonly quantile: number;
  /** The threshold in milliseconds; null: learned from control. */
  readonly overMs: number | null;
};

/** The geometric mean of the latency is not higher than control's. */
export type MeanGuardrail = {
  readonly metric: string;
  readonly kind: 'mean';
  readonly action: 'hold' | 'warn';
  readonly margin: { readonly relative: number };
};

/** The share of the canary's failures is not above a fixed limit. */
export type RateLimitGuardrail = Tested & { readonly kind: 'limit'; readonly test: 'rate'; readonly limit: number };

/** The canary is beyond a fixed limit in fewer than m of the last n windows; promises nothing about chance. */
export type PointLimitGuardrail = {
  readonly metric: string;
  readonly kind: 'limit';
  readonly test: 'point';
  readonly action: Action;
  /** "rate", or a quantile such as "p95" in milliseconds. */
  readonly of: string;
  readonly limit: number;
  /** m and n. */
  readonly windows: readonly [number, number];
};

export type Guardrail = RateGuardrail | QuantileGuardrail | MeanGuardrail | RateLimitGuardrail | PointLimitGuardrail;

/** A guardrail as it is written: only `metric` is required of those of a usual kind. */
export type GuardrailDocument = {
  readonly metric: string;
  readonly kind?: Guardrail['kind'];
  readonly test?: 'rate' | 'point';
  readonly action?: Action;
  readonly count?: Count;
  readonly weight?: number;
  readonly dispersion?: number;
  readonly floors?: Partial<Floors>;
  readonly margin?: Partial<Margin>;
  readonly quantile?: number;
  readonly overMs?: number | null;
  readonly limit?: number;
  readonly of?: string;
  readonly windows?: readonly [number, number];
};

/** A stage as it is written: only `percentage` is required. */
export type StageDocument = Pick<Stage, 'percentage'> &
  Partial<Omit<Stage, 'percentage' | 'maxBake' | 'minSamples' | 'gates'>> & {
    readonly maxBake?: Duration | null;
    readonly minSamples?: Partial<MinSamples>;
    readonly gates?: readonly (CalendarGate | WebhookGate | (Pick<ApprovalGate, 'type'> & Partial<ApprovalGate>))[];
  };

/** A plan as it is written: only `stages` is required. */
export type PlanDocument = Partial<Omit<Plan, 'stages' | 'guardrails'>> & {
  readonly stages: readonly StageDocument[];
  readonly guardrails?: readonly GuardrailDocument[];
};
