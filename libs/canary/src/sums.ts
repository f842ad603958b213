import { EMPTY_SKETCH, mergeSketches } from './sketch.js';
import type { Sketch } from './sketch.js';

/** The arms of a rollout's audience: who gets the canary, and the concurrent rest. */
export type Arm = 'canary' | 'baseline';

/** How many random groups units are divided into, from which the dispersion is estimated. */
export const GROUPS = 64;

/** Count, mean and sum of squared deviations of ln(ms). */
export type Moments = readonly [n: number, mean: number, m2: number];

/** What one arm showed of one metric: sufficient statistics that merge, in any order, with `mergeSums`. */
export type Sums = {
  /** Requests, and how many of them failed or were slower than T. */
  readonly n: number;
  readonly k: number;
  /** Distinct active units, and those with at least one failure. */
  readonly a: number;
  readonly f: number;
  /** Units that had not failed before in this epoch, and those that now did. */
  readonly r: number;
  readonly g: number;
  /** Observations and failures in the counting mode by unit group; 64 each, or none when the source has no groups. */
  readonly N: readonly number[];
  readonly K: readonly number[];
  readonly lnms?: Moments;
  readonly sketch?: Sketch;
};

/** First exposures in an epoch, and by unit group. */
export type First = { readonly n: number; readonly groups: readonly number[] };

/** Observations, and how many of them failed. */
export type Tally = { readonly n: number; readonly k: number };

/** What one arm showed. */
export type ArmSums = { readonly first: First; readonly metrics: Readonly<Record<string, Sums>> };

/** Both arms of one window of one epoch, read together. `start` in epoch milliseconds, a multiple of the plan's window. */
export type Window = { readonly epoch: number; readonly start: number } & Readonly<Record<Arm, ArmSums>>;

/** The requests of an arm: of the metric that saw most, since not every metric is measured with every request. */
export function requestsOf({ metrics }: ArmSums): number {
  return Math.max(0, ...Object.values(metrics).map(({ n }) => n));
}

/** The active units of an arm, likewise. */
export function unitsOf({ metrics }: ArmSums): number {
  return Math.max(0, ...Object.values(metrics).map(({ a }) => a));
}

export const EMPTY_SUMS: Sums = { n: 0, k: 0, a: 0, f: 0, r: 0, g: 0, N: [], K: [] };
export const EMPTY_ARM: ArmSums = { first: { n: 0, groups: [] }, metrics: {} };

/** Element by element; a missing element is 0. */
export function addLists(one: readonly number[], other: readonly number[]): readonly number[] {
  const [longer, shorter] = one.length < other.length ? [other, one] : [one, other];
  return shorter.length === 0 ? longer : longer.map((count, index) => count + (shorter[index] ?? 0));
}

/** The moments of both samples together (Chan, Golub, LeVeque 1983). */
export function mergeMoments(one: Moments, other: Moments): Moments {
  const [n1, mean1, squares1] = one;
  const [n2, mean2, squares2] = other;
  if (n1 === 0) return other;
  if (n2 === 0) return one;
  const n = n1 + n2;
  const apart = mean2 - mean1;
  return [n, mean1 + (apart * n2) / n, squares1 + squares2 + (apart * apart * n1 * n2) / n];
}

/** What both sums saw together. Associative and commutative: exactly for counts, to rounding for moments. */
export function mergeSums(one: Sums, other: Sums): Sums {
  const lnms = one.lnms && other.lnms ? mergeMoments(one.lnms, other.lnms) : (one.lnms ?? other.lnms);
  const sketched = one.sketch !== undefined || other.sketch !== undefined;
  return {
    n: one.n + other.n,
    k: one.k + other.k,
    a: one.a + other.a,
    f: one.f + other.f,
    r: one.r + other.r,
    g: one.g + other.g,
    N: addLists(one.N, other.N),
    K: addLists(one.K, other.K),
    ...(lnms && { lnms }),
    ...(sketched && { sketch: mergeSketches(one.sketch ?? EMPTY_SKETCH, other.sketch ?? EMPTY_SKETCH) }),
  };
}

/** What both exposures saw together. */
export function mergeFirst(one: First, other: First): First {
  return { n: one.n + other.n, groups: addLists(one.groups, other.groups) };
}

/** What both arms' sums saw together, metric by metric. */
export function mergeArms(one: ArmSums, other: ArmSums): ArmSums {
  const metrics = new Map(Object.entries(one.metrics));
  for (const [name, sums] of Object.entries(other.metrics)) {
    const before = metrics.get(name);
    metrics.set(name, before === undefined ? sums : mergeSums(before, sums));
  }
  return { first: mergeFirst(one.first, other.first), metrics: Object.fromEntries(metrics) };
}
