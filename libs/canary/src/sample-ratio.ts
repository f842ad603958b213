import { addGroups, dispersion, NO_GROUPS } from './dispersion.js';
import type { Groups } from './dispersion.js';
import { lnBeta } from './numbers.js';
import { addLists } from './sums.js';
import type { Arm, First } from './sums.js';

/** First exposures in each arm. */
type Shares = Readonly<Record<Arm, number>>;

/** Whether the arms get their planned shares of the units: one process for each epoch. */
export type RatioEvidence = {
  readonly first: Shares;
  readonly groups: Groups;
  readonly lnE: number;
  readonly alert: boolean;
  /** After an alert: when the newest fresh process began (ms), what it counted, and how many before it in a row ended below 1. */
  readonly fresh: { readonly since: number; readonly first: Shares; readonly calm: number } | null;
};

const CONCENTRATION = 1000;
const ALERT = Math.log(1000);
const FRESH_MS = 600_000;
const CALM = 3;
const CAUTIOUS = 3;
const ENOUGH = 20;
const NOBODY: Shares = { canary: 0, baseline: 0 };

export const NO_RATIO: RatioEvidence = { first: NOBODY, groups: NO_GROUPS, lnE: 0, alert: false, fresh: null };

/** A new process that remembers how the exposures of one unit hang together. */
export function freshRatio({ groups }: RatioEvidence): RatioEvidence {
  return { ...NO_RATIO, groups };
}

/**
 * ln E that the canary's planned share π of first exposures is not its real one: a Dirichlet prior of mean π and
 * concentration 1000 against π itself (Lindon, Malek 2022), divided by the dispersion.
 */
export function lnSampleRatio({ canary, baseline }: Shares, share: number, spread: number): number {
  const a = CONCENTRATION * share;
  const b = CONCENTRATION * (1 - share);
  const mixture = lnBeta(a + canary, b + baseline) - lnBeta(a, b);
  return (mixture - canary * Math.log(share) - baseline * Math.log(1 - share)) / spread;
}

function addFirst(shares: Shares, canary: First, baseline: First): Shares {
  return { canary: shares.canary + canary.n, baseline: shares.baseline + baseline.n };
}

function calmDown(evidence: RatioEvidence, added: Shares, start: number, share: number, spread: number): RatioEvidence {
  const fresh = evidence.fresh ?? { since: start, first: NOBODY, calm: 0 };
  const first = { canary: fresh.first.canary + added.canary, baseline: fresh.first.baseline + added.baseline };
  if (start - fresh.since < FRESH_MS) return { ...evidence, fresh: { ...fresh, first } };
  const calm = lnSampleRatio(first, share, spread) < 0 ? fresh.calm + 1 : 0;
  if (calm >= CALM) return freshRatio(evidence);
  return { ...evidence, fresh: { since: start, first: NOBODY, calm } };
}

/** The evidence with one window of the current epoch more, which began at `start` (ms). The share is strictly between 0 and 1. */
export function addRatio(
  evidence: RatioEvidence,
  canary: First,
  baseline: First,
  start: number,
  share: number,
): RatioEvidence {
  if (canary.n + baseline.n === 0) return evidence;
  const first = addFirst(evidence.first, canary, baseline);
  // How often one unit is counted is unknown until the canary showed some: ten processes that each see the same 400 units
  // and, by chance, no canary among them would otherwise look like 4,000 units without one.
  const known = Math.max(
    evidence.first.canary,
    evidence.groups.K.reduce((sum, count) => sum + count, 0),
  );
  const spread = dispersion(evidence.groups, CAUTIOUS);
  const lnE = known >= ENOUGH ? lnSampleRatio(first, share, spread) : 0;
  const groups = addGroups(evidence.groups, { N: addLists(canary.groups, baseline.groups), K: canary.groups });
  const next = { ...evidence, first, groups, lnE };
  if (!evidence.alert) return { ...next, alert: lnE >= ALERT };
  return calmDown(next, addFirst(NOBODY, canary, baseline), start, share, spread);
}
