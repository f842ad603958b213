import type { PointLimitGuardrail } from './plan.js';
import { quantile } from './sketch.js';
import type { Sums } from './sums.js';

/** Evidence of a point limit. */
export type PointEvidence = {
  readonly kind: 'point';
  /** Whether the canary was beyond the limit in each of the last n windows with enough requests, oldest first. */
  readonly beyond: readonly boolean[];
  /** The canary's newest figure: a share, or milliseconds. */
  readonly newest: number | null;
};

const ENOUGH = 20;

export const NO_POINT: PointEvidence = { kind: 'point', beyond: [], newest: null };

function figure(of: string, { n, k, sketch }: Sums): number | undefined {
  if (of === 'rate') return k / n;
  return sketch === undefined ? undefined : quantile(sketch, Number(of.slice(1)) / 100);
}

/** The evidence with one window of the canary more; one with fewer than 20 requests changes nothing. */
export function addPoint(
  { of, limit, windows }: PointLimitGuardrail,
  evidence: PointEvidence,
  sums: Sums,
): PointEvidence {
  const newest = sums.n >= ENOUGH ? figure(of, sums) : undefined;
  if (newest === undefined) return evidence;
  return { kind: 'point', beyond: [...evidence.beyond, newest > limit].slice(-windows[1]), newest };
}

/** True when the limit is broken in m of the last n windows. */
export function isBroken({ windows }: PointLimitGuardrail, { beyond }: PointEvidence): boolean {
  return beyond.filter(Boolean).length >= windows[0];
}
