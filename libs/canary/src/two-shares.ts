import { logRatio } from './numbers.js';
import type { Tally } from './sums.js';

/** The line x = a·t + d that separates no worse (canary x ≤ a·t + d of control t) from worse. */
export type Border = { readonly a: number; readonly d: number };

/** A pair of shares: the canary's and control's. */
export type Shares = { readonly canary: number; readonly baseline: number };

const BISECTIONS = 60;

/** The root of a function that rises from negative to positive between two places, to 2^−60 of their distance. */
function root(rising: (t: number) => number, from: number, to: number): number {
  let low = from;
  let high = to;
  for (let step = 0; step < BISECTIONS; step++) {
    const middle = 0.5 * (low + high);
    if (rising(middle) < 0) low = middle;
    else high = middle;
  }
  return 0.5 * (low + high);
}

/**
 * The pair on the border that is nearest to an alternative: it minimises n_c·KL(θ_c‖x) + n_b·KL(θ_b‖t), the reverse
 * information projection of Turner, Ly, Grünwald 2024 (two streams) with the margins of Turner, Grünwald 2023.
 * Control's share is looked for between `from` and `to`, where the derivative rises through 0.
 */
function project(
  alternative: Shares,
  canary: number,
  baseline: number,
  { a, d }: Border,
  from: number,
  to: number,
): Shares {
  const slope = (t: number): number => {
    const x = a * t + d;
    return (
      (canary * a * (x - alternative.canary)) / (x * (1 - x)) + (baseline * (t - alternative.baseline)) / (t * (1 - t))
    );
  };
  const t = root(slope, from, to);
  return { canary: a * t + d, baseline: t };
}

/** The projection of an alternative that is worse than the border allows; undefined for one that is not. `n` requests each. */
export function projectWorse(
  alternative: Shares,
  canary: number,
  baseline: number,
  border: Border,
): Shares | undefined {
  const { a, d } = border;
  const to = (alternative.canary - d) / a;
  if (alternative.canary <= a * alternative.baseline + d || !(to > alternative.baseline)) return undefined;
  if (a === 1 && d === 0) {
    // The derivative has a root of its own here: the pooled rate.
    const pooled = (canary * alternative.canary + baseline * alternative.baseline) / (canary + baseline);
    return { canary: pooled, baseline: pooled };
  }
  return project(alternative, canary, baseline, border, alternative.baseline, to);
}

/**
 * The projection of an alternative that is better than the border asks for; undefined for one that is not, and where no
 * share of the canary could be on the border's far side (d ≥ 1). Control's share stays below (1 − d)/a, where the canary's
 * would be 1.
 */
export function projectBetter(
  alternative: Shares,
  canary: number,
  baseline: number,
  border: Border,
): Shares | undefined {
  const { a, d } = border;
  if (d >= 1 || alternative.canary >= a * alternative.baseline + d) return undefined;
  const from = Math.max(0, (alternative.canary - d) / a);
  return project(alternative, canary, baseline, border, from, Math.min(alternative.baseline, (1 - d) / a));
}

/** ln of the likelihood of a tally under one share over that under another. */
export function lnLikelihoodRatio({ n, k }: Tally, share: number, other: number): number {
  return logRatio(k, share, other) + logRatio(n - k, 1 - share, 1 - other);
}

/** ln S of both tallies: the alternative against its projection, an e-value under every pair on the border's good side. */
export function lnBet(canary: Tally, baseline: Tally, alternative: Shares, projection: Shares): number {
  return (
    lnLikelihoodRatio(canary, alternative.canary, projection.canary) +
    lnLikelihoodRatio(baseline, alternative.baseline, projection.baseline)
  );
}
