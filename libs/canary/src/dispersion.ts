import { addLists } from './sums.js';

/** Observations and failures by random group of units. */
export type Groups = { readonly N: readonly number[]; readonly K: readonly number[] };

export const NO_GROUPS: Groups = { N: [], K: [] };

const ENOUGH = 20;
const CAUTIOUS = 3;

/** Both groups' counts together. */
export function addGroups(one: Groups, other: Groups): Groups {
  return { N: addLists(one.N, other.N), K: addLists(one.K, other.K) };
}

/**
 * By how much the variance of the failures exceeds that of independent observations, at least 1: random groups, G/(G − 1) ·
 * Σ (K_g − p·N_g)² / (N·p·(1 − p)) (Wolter, Introduction to Variance Estimation, chapter 2). Units that return in many
 * windows and processes raise it, because a unit is always in the same group. 3 until 20 failures were seen;
 * `without` where the source has no groups.
 */
export function dispersion({ N, K }: Groups, without: number, enough = ENOUGH): number {
  const n = N.reduce((sum, count) => sum + count, 0);
  const k = K.reduce((sum, count) => sum + count, 0);
  if (n === 0) return without;
  if (k < enough) return CAUTIOUS;
  const p = k / n;
  if (p >= 1) return 1;
  const squares = N.reduce((sum, count, group) => sum + ((K[group] ?? 0) - p * count) ** 2, 0);
  return Math.max(1, ((N.length / (N.length - 1)) * squares) / (n * p * (1 - p)));
}
