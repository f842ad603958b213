import { addBlock, EFFECTS, NO_PROCESS, highest } from './process.js';
import type { Process } from './process.js';
import { NO_GROUPS, addGroups, dispersion } from './dispersion.js';
import type { Groups } from './dispersion.js';
import { logSumExp } from './numbers.js';
import type { Count, Guardrail, QuantileGuardrail, RateGuardrail, RateLimitGuardrail } from './plan.js';
import { countAbove, mergeSketches, quantileIndex, sketchCount, sketchEdge } from './sketch.js';
import type { Sketch } from './sketch.js';
import { EMPTY_SKETCH } from './sketch.js';
import type { Arm, Sums, Tally } from './sums.js';
import { lnBet, lnLikelihoodRatio, projectBetter, projectWorse } from './two-shares.js';
import type { Border } from './two-shares.js';

/** A guardrail that tests a share. */
export type TestedGuardrail = RateGuardrail | QuantileGuardrail | RateLimitGuardrail;

/** True for a guardrail that tests a share. */
export function isTested(guardrail: Guardrail): guardrail is TestedGuardrail {
  return guardrail.kind !== 'mean' && !(guardrail.kind === 'limit' && guardrail.test === 'point');
}

/** Evidence of a guardrail that tests a share. */
export type TestedEvidence = {
  readonly kind: 'tested';
  /** T in ms; null for failures, and while a quantile is learning. */
  readonly over: number | null;
  /** The first epoch whose sums this guardrail can read; null while a quantile is learning. */
  readonly since: number | null;
  /** Control's latencies while T is learned. */
  readonly learning: Sketch;
  /** Control's rate from the past with forgetting: k of n. */
  readonly past: Tally;
  /** Control in the warm-up. */
  readonly warmup: Tally;
  /** The absolute margin in force. */
  readonly absolute: number;
  readonly process: Process;
  /** Of this stage: ln E of each alternative of "proven safe", and their mixture at its highest. */
  readonly proof: { readonly lnS: readonly number[]; readonly maxLnE: number | null };
  /** Observations and failures by unit group, both arms, all blocks. */
  readonly groups: Groups;
  /** Observations and failures so far, in the counting mode. */
  readonly totals: Readonly<Record<Arm, Tally>>;
  /** What the floors ask for, of the canary: failures, requests, units that failed, blocks. */
  readonly seen: {
    readonly failures: number;
    readonly requests: number;
    readonly units: number;
    readonly windows: number;
  };
  /** The canary's observations in this stage, in the counting mode. */
  readonly stage: number;
};

/** What a window means for a guardrail that tests a share. */
export type TestedBlock = Readonly<Record<Arm, Sums>> & {
  readonly horizon: number;
  readonly warmup: boolean;
  /** The window belongs to the current stage. */
  readonly ofStage: boolean;
  /** The margins of "proven safe", where the stage asks for it. */
  readonly proof: { readonly relative: number; readonly absolute: number } | null;
};

const NONE: Tally = { n: 0, k: 0 };
const NO_PROOF: TestedEvidence['proof'] = { lnS: [], maxLnE: null };
const FORGETTING = 2 ** (-1 / 20);
const LEAST_SHARE = 1e-6;
const GREATEST_SHARE = 0.98;
const ABSOLUTE_MARGIN = 0.0005;
const PRIOR = 50;
const PRIOR_AFTER_WARMUP = 2000;
const LEARNED_REQUESTS = 1000;
const LEARNED_BEYOND = 50;
const SAFE_EFFECTS = [0.85, 1, 1.2] as const;

/** Observations and failures in a counting mode. */
function tally(sums: Sums, count: Count): Tally {
  switch (count) {
    case 'unit_window':
      return { n: sums.a, k: sums.f };
    case 'first_failure':
      return { n: sums.r, k: sums.g };
    case 'request':
      return { n: sums.n, k: sums.k };
  }
}

function add(one: Tally, other: Tally): Tally {
  return { n: one.n + other.n, k: one.k + other.k };
}

/** The share that control had before anything was seen of it, as strong as one observation in 50. */
function priorOf(guardrail: TestedGuardrail): Tally {
  return { k: guardrail.kind === 'quantile' ? PRIOR * (1 - guardrail.quantile) : 0.5, n: PRIOR };
}

function absoluteOf(guardrail: TestedGuardrail, warmup: Tally): number {
  if (guardrail.kind === 'limit') return 0;
  const rate = warmup.n > 0 ? warmup.k / warmup.n : Infinity;
  return guardrail.margin.absolute ?? Math.min(ABSOLUTE_MARGIN, rate / 10);
}

/** No evidence yet, from this epoch on. */
export function startTested(guardrail: TestedGuardrail, epoch: number): TestedEvidence {
  const over = guardrail.kind === 'quantile' ? guardrail.overMs : null;
  return {
    kind: 'tested',
    over,
    since: guardrail.kind === 'quantile' && over === null ? null : epoch,
    learning: EMPTY_SKETCH,
    past: priorOf(guardrail),
    warmup: NONE,
    absolute: absoluteOf(guardrail, NONE),
    process: NO_PROCESS,
    proof: NO_PROOF,
    groups: NO_GROUPS,
    totals: { canary: NONE, baseline: NONE },
    seen: { failures: 0, requests: 0, units: 0, windows: 0 },
    stage: 0,
  };
}

/** The T in ms that control's latencies have taught by now; undefined while they are too few, or when T is known. */
export function learnedThreshold(guardrail: TestedGuardrail, { since, learning }: TestedEvidence): number | undefined {
  if (guardrail.kind !== 'quantile' || since !== null) return undefined;
  const seen = sketchCount(learning);
  // The small term allows for 1 − q that is not exact: 1000 × (1 − 0.95) is less than 50 in binary.
  const enough = seen >= LEARNED_REQUESTS && seen * (1 - guardrail.quantile) >= LEARNED_BEYOND - 1e-6;
  const index = enough ? quantileIndex(learning, guardrail.quantile) : undefined;
  return index === undefined ? undefined : sketchEdge(index);
}

/** Control's share in the warm-up in the guardrail's own counting mode; nothing where it could not be counted. */
function warmupTally(guardrail: TestedGuardrail, { learning, warmup, since }: TestedEvidence): Tally {
  if (since !== null || guardrail.kind !== 'quantile' || guardrail.count !== 'request') return warmup;
  const index = quantileIndex(learning, guardrail.quantile);
  return index === undefined ? NONE : { n: sketchCount(learning), k: countAbove(learning, index) };
}

/** The evidence from this epoch on with T frozen, if it was learned. */
export function freezeThreshold(guardrail: TestedGuardrail, evidence: TestedEvidence, epoch: number): TestedEvidence {
  const over = learnedThreshold(guardrail, evidence);
  return over === undefined ? evidence : { ...evidence, over, since: epoch, learning: EMPTY_SKETCH };
}

/** The evidence when the warm-up ends: control's rate there is the baseline's past, and every process begins. */
export function endWarmup(guardrail: TestedGuardrail, evidence: TestedEvidence, epoch: number): TestedEvidence {
  const warmup = warmupTally(guardrail, evidence);
  const rate = warmup.n > 0 ? warmup.k / warmup.n : undefined;
  const past =
    rate === undefined ? priorOf(guardrail) : { k: PRIOR_AFTER_WARMUP * rate + 0.5, n: PRIOR_AFTER_WARMUP + 1 };
  const { over, since, groups } = freezeThreshold(guardrail, evidence, epoch);
  const fresh = { ...startTested(guardrail, epoch), over, groups, warmup, past };
  return { ...fresh, since: since === null ? null : epoch, absolute: absoluteOf(guardrail, warmup) };
}

/** The evidence when a stage begins: its samples and its proof begin anew, all else goes on. */
export function beginStage(evidence: TestedEvidence): TestedEvidence {
  return { ...evidence, stage: 0, proof: NO_PROOF };
}

/** Control's rate as the past shows it. */
export function pastRate({ past }: TestedEvidence): number {
  return Math.min(Math.max(past.k / past.n, LEAST_SHARE), 0.5);
}

/** ln S of one block for each effect, before it is divided by the dispersion. */
function lnBets(guardrail: TestedGuardrail, evidence: TestedEvidence, canary: Tally, baseline: Tally): number[] {
  if (guardrail.kind === 'limit') {
    const { limit } = guardrail;
    return EFFECTS.map((effect) => lnLikelihoodRatio(canary, Math.min(GREATEST_SHARE, effect * limit), limit));
  }
  const border: Border = { a: 1 + guardrail.margin.relative, d: evidence.absolute };
  const rate = pastRate(evidence);
  return EFFECTS.map((effect) => {
    const suspected = { canary: Math.min(GREATEST_SHARE, effect * (border.a * rate + border.d)), baseline: rate };
    const projection = projectWorse(suspected, canary.n, baseline.n, border);
    return projection === undefined ? 0 : lnBet(canary, baseline, suspected, projection);
  });
}

/** ln S of one block for each alternative of "proven safe", before it is divided by the dispersion. */
function lnSafeBets(border: Border, rate: number, canary: Tally, baseline: Tally): number[] {
  return SAFE_EFFECTS.map((effect) => {
    const hoped = { canary: effect * rate, baseline: rate };
    const projection = projectBetter(hoped, canary.n, baseline.n, border);
    return projection === undefined ? 0 : lnBet(canary, baseline, hoped, projection);
  });
}

function addProof(proof: TestedEvidence['proof'], lnS: readonly number[]): TestedEvidence['proof'] {
  const sums = lnS.map((ln, index) => (proof.lnS[index] ?? 0) + ln);
  return { lnS: sums, maxLnE: highest(proof.maxLnE, logSumExp(sums) - Math.log(sums.length)) };
}

/** The evidence with one block more. A window with an empty arm is no block and changes nothing. */
export function addTested(guardrail: TestedGuardrail, evidence: TestedEvidence, block: TestedBlock): TestedEvidence {
  const canary = tally(block.canary, guardrail.count);
  const baseline = tally(block.baseline, guardrail.count);
  if (canary.n === 0 || (baseline.n === 0 && guardrail.kind !== 'limit')) return evidence;
  const spread = dispersion(evidence.groups, guardrail.dispersion);
  const lnS = lnBets(guardrail, evidence, canary, baseline).map((ln) => ln / spread);
  const { proof, past, seen, totals } = evidence;
  const safe = block.proof !== null && block.ofStage && guardrail.kind !== 'limit' ? block.proof : undefined;
  const border = safe && { a: 1 + safe.relative, d: safe.absolute };
  const lnSafe = border && lnSafeBets(border, pastRate(evidence), canary, baseline).map((ln) => ln / spread);
  const arms = [block.canary, block.baseline] as const;
  return {
    ...evidence,
    process: addBlock(evidence.process, lnS, block.horizon),
    proof: lnSafe === undefined ? proof : addProof(proof, lnSafe),
    past: { k: FORGETTING * past.k + baseline.k, n: FORGETTING * past.n + baseline.n },
    warmup: block.warmup ? add(evidence.warmup, baseline) : evidence.warmup,
    groups: arms.reduce(addGroups, evidence.groups),
    totals: { canary: add(totals.canary, canary), baseline: add(totals.baseline, baseline) },
    seen: {
      failures: seen.failures + block.canary.k,
      requests: seen.requests + block.canary.n,
      units: seen.units + block.canary.g,
      windows: seen.windows + 1,
    },
    stage: evidence.stage + (block.ofStage ? canary.n : 0),
  };
}

/** The evidence with control's latencies of a window, while T is learned. */
export function learn(evidence: TestedEvidence, { sketch }: Sums): TestedEvidence {
  return sketch === undefined ? evidence : { ...evidence, learning: mergeSketches(evidence.learning, sketch) };
}

/** True when the canary has shown enough of everything for this guardrail to act. */
export function floorsMet({ floors }: TestedGuardrail, { seen }: TestedEvidence): boolean {
  return (
    seen.failures >= floors.failures &&
    seen.requests >= floors.requests &&
    seen.units >= floors.units &&
    seen.windows >= floors.windows
  );
}
