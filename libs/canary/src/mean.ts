import { lnPhi } from './numbers.js';
import type { MeanGuardrail } from './plan.js';
import { highest } from './process.js';
import { mergeMoments } from './sums.js';
import type { Arm, Moments } from './sums.js';

/** Evidence of a guardrail on the mean of ln(ms). */
export type MeanEvidence = {
  readonly kind: 'mean';
  readonly blocks: number;
  /** Σ w (ȳ_c − ȳ_b − ln(1 + margin)), w = n_c·n_b/(n_c + n_b), and Σ w²/n of each arm. */
  readonly sum: number;
  readonly weights: Readonly<Record<Arm, number>>;
  /** Squared deviations within blocks, and their degrees of freedom. */
  readonly squares: Readonly<Record<Arm, { readonly m2: number; readonly df: number }>>;
  readonly moments: Readonly<Record<Arm, Moments>>;
  /** Frozen at activation; null before. */
  readonly rho: number | null;
  readonly lnE: number | null;
  readonly maxLnE: number | null;
};

const NOTHING: Moments = [0, 0, 0];
const ENOUGH_REQUESTS = 200;
const ENOUGH_BLOCKS = 20;
const EFFECT = Math.log(1.1);

export const NO_MEAN: MeanEvidence = {
  kind: 'mean',
  blocks: 0,
  sum: 0,
  weights: { canary: 0, baseline: 0 },
  squares: { canary: { m2: 0, df: 0 }, baseline: { m2: 0, df: 0 } },
  moments: { canary: NOTHING, baseline: NOTHING },
  rho: null,
  lnE: null,
  maxLnE: null,
};

/** The ρ with which the mixture is narrowest at variance v* (Howard, Ramdas, McAuliffe, Sekhon 2021, one-sided normal mixture). */
export function mixtureRho(variance: number, alpha: number): number {
  const doubled = 2 * Math.log(1 / (2 * alpha));
  return variance / (doubled + Math.log(1 + doubled));
}

/** ln E of a sum S with variance V: Robbins' one-sided normal mixture (Robbins 1970; Howard et al. 2021, equation 14). */
export function lnNormalMixture(sum: number, variance: number, rho: number): number {
  const total = variance + rho;
  return 0.5 * Math.log((4 * rho) / total) + (sum * sum) / (2 * total) + lnPhi(sum / Math.sqrt(total));
}

function within({ m2, df }: { m2: number; df: number }): number {
  return df > 0 ? m2 / df : 0;
}

/** The variance at which the effect of 10 % usually shows: v* = 2σ⁴ ln(1/α)/δ². */
function activate({ blocks, moments, squares }: MeanEvidence, alpha: number): number | null {
  if (moments.canary[0] < ENOUGH_REQUESTS || blocks < ENOUGH_BLOCKS) return null;
  const { canary, baseline } = squares;
  const sigma2 = within({ m2: canary.m2 + baseline.m2, df: canary.df + baseline.df });
  return sigma2 > 0 ? mixtureRho((2 * sigma2 * sigma2 * Math.log(1 / alpha)) / (EFFECT * EFFECT), alpha) : null;
}

/** The evidence with one block more; a window with an empty arm changes nothing. */
export function addMean(
  { margin }: MeanGuardrail,
  evidence: MeanEvidence,
  canary: Moments = NOTHING,
  baseline: Moments = NOTHING,
  alpha = 0.05,
): MeanEvidence {
  const [nc, meanC, m2c] = canary;
  const [nb, meanB, m2b] = baseline;
  if (nc === 0 || nb === 0) return evidence;
  const weight = (nc * nb) / (nc + nb);
  const { squares, weights, moments } = evidence;
  const next: MeanEvidence = {
    ...evidence,
    blocks: evidence.blocks + 1,
    sum: evidence.sum + weight * (meanC - meanB - Math.log(1 + margin.relative)),
    weights: {
      canary: weights.canary + (weight * weight) / nc,
      baseline: weights.baseline + (weight * weight) / nb,
    },
    squares: {
      canary: { m2: squares.canary.m2 + m2c, df: squares.canary.df + nc - 1 },
      baseline: { m2: squares.baseline.m2 + m2b, df: squares.baseline.df + nb - 1 },
    },
    moments: { canary: mergeMoments(moments.canary, canary), baseline: mergeMoments(moments.baseline, baseline) },
  };
  const rho = evidence.rho ?? activate(next, alpha);
  if (rho === null) return next;
  const variance =
    within(next.squares.canary) * next.weights.canary + within(next.squares.baseline) * next.weights.baseline;
  const lnE = lnNormalMixture(next.sum, variance, rho);
  return { ...next, rho, lnE, maxLnE: highest(evidence.maxLnE, lnE) };
}
